"""The ledger: the folder of what a run has finished. Resuming, progress, statistics and the dataset come from it.

    OUT/ledger/run.json                     the run's plan: recipe, rule of the slices, digest of the sources
    OUT/ledger/sources.jsonl                the table of the sources
    OUT/ledger/pages.npy                    the table of the pages, if an index chose them
    OUT/ledger/lock                         lock file, held while a run works in the folder
    OUT/ledger/packs/012/12345.pack         one finished source: rows, verdicts, signatures, numbers
    OUT/ledger/slices/012/12345/00003/      one finished slice of an unfinished source: rows, verdicts, signatures,
                                            slice.json
    OUT/ledger/done/TASK.log                what each task has finished, line by line, for those who follow the run
    OUT/ledger/done/sums.json               the totals over it, as far as somebody has asked for them
    OUT/ledger/scratch/                     what is being written
    OUT/ledger/inflight/12345-00003         offset of the page that a worker is judging now
    OUT/ledger/crashes/12345-00003.json     worker deaths by page offset; after two, it is an `extraction_crash`
    OUT/ledger/missing/12345                why that source could not be read
    OUT/ledger/pauses/                      until when no worker sends a request, by host
    OUT/ledger/logs/                        logs of the workers
    OUT/ledger/slurm/                       submissions to Slurm, and the logs of their jobs

A worker writes a slice or a pack in `scratch`, hashes and fsyncs it, and renames it. So the ledger contains it
completely or not at all. Whoever finishes the last slice of a source packs the source and removes its slices: at the
end a source has one file. Folders hold at most a thousand sources.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finest.atomic_files import Held, hold, is_held, sync, write_whole
from finest.errors import LedgerError
from finest.masking import masked_error
from finest.pipeline.damage import ParquetPart
from finest.pipeline.deaths import Deaths, slice_name
from finest.pipeline.done import DoneLog, SliceDone, SourceDone, Tail
from finest.pipeline.missing import Missing
from finest.pipeline.pack import PART_FILES, Pack, PackedSlice, find_breaks, write_pack
from finest.pipeline.pages.table import PageTable
from finest.pipeline.run_plan import FORMAT, RunPlan
from finest.pipeline.source_table import Sources
from finest.pipeline.summary import SliceSummary, Totals, add_up, merge
from finest.pipeline.sums import sum_up
from finest.recipe.reasons import FAILURES
from finest.warc.pauses import MAX_PAUSE_S, Pauses
from finest.warc.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from numpy.typing import NDArray

LOOK_S = 0.3
"""Seconds to wait for the lock: a process that only checks it holds it for a moment (atomic_files.is_held)."""
SAMPLED_SOURCES = 32
"""Number of sources, evenly spread over the run, whose sample pages the totals show."""


class Ledger:
    """One run's folder."""

    def __init__(self, out: Path, plan: RunPlan) -> None:
        self.out = out
        self.folder = out / "ledger"
        self.plan = plan
        self.log = DoneLog(self.folder / "done")
        """The log of this process and of the workers that it forks."""
        self.deaths = Deaths(self.folder)

    @staticmethod
    def read(out: Path) -> Ledger:
        """Read the ledger of an output folder; raises LedgerError if it is missing or cannot be read."""
        path = out / "ledger" / "run.json"
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise LedgerError(f"{out} holds no run; start one with: finest refine SOURCE --out {out}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise LedgerError(
                f"{path} cannot be read: {error}; start again from the beginning with --restart"
            ) from error
        found = data.get("format") if isinstance(data, dict) else None
        if found == "finest-ledger/1":
            raise LedgerError(
                f"{out} holds a run of an earlier version of finest, which this version cannot continue: finish it "
                "with that version, or start again from the beginning with --restart"
            )
        if found != FORMAT:
            raise LedgerError(f"{path} has format {found!r}, this version reads {FORMAT!r}")
        try:
            pages = PageTable.read(path.with_name(PAGES)) if "chosen" in data else None
            return Ledger(out, RunPlan.from_dict(data, Sources.read(path.with_name(SOURCES)), pages))
        except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise LedgerError(
                f"{path} or {SOURCES} beside it is damaged ({masked_error(error)}); start again from the beginning "
                "with --restart"
            ) from error

    @staticmethod
    def begin(out: Path, plan: RunPlan) -> Ledger:
        """Open the run in `out`, or begin it; raises LedgerError if the folder holds another run or a foreign file."""
        if (out / "ledger" / "run.json").exists():
            found = Ledger.read(out).plan
            if what := plan.difference(found):
                raise LedgerError(f"{out} holds a run with {what}; name another --out, or delete it with --restart")
            return Ledger(out, found.read_at(plan.sources.changed_from(found.sources)))
        if foreign := [p.name for p in out.iterdir() if p.name not in OWN_FILES] if out.exists() else []:
            raise LedgerError(f"{out} is not empty ({foreign[0]} is in it); name another folder with --out")
        return Ledger(out, plan).saved()

    def saved(self) -> Ledger:
        """Write the plan and the table of the sources, for processes on other machines too, and return this ledger."""
        self.folder.mkdir(parents=True, exist_ok=True)
        table = self.plan.sources.saved()
        write_whole(self.folder / SOURCES, table)
        if self.plan.chosen is not None:
            write_whole(self.folder / PAGES, self.plan.chosen.table.to_bytes())
        write_whole(self.folder / "run.json", json.dumps(self.plan.to_dict(table), indent=1).encode())
        return self

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder for this process; raises LedgerError if another process holds the lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(hold(self.folder / "lock", LOOK_S))
            except Held as error:
                raise LedgerError(
                    f"{self.out} is in use by another run (process {error.holder}); wait for it, "
                    f"or name another folder with --out"
                ) from None
            yield

    def locked(self) -> bool:
        """Return whether a run is working in the folder now."""
        return is_held(self.folder / "lock")

    def pack_path(self, source: int) -> Path:
        return self.folder / "packs" / f"{source // 1000:03d}" / f"{source:05d}.pack"

    def has(self, source: int) -> bool:
        """Return whether that source is finished and packed."""
        return self.pack_path(source).exists()

    def pack(self, source: int) -> Pack:
        """Return the pack of a finished source; raises LedgerError if it is missing or damaged."""
        return Pack(self.pack_path(source))

    def packs(self) -> Iterator[Pack]:
        """Yield the packs of all sources in their order; the run's sources must all be finished."""
        return map(self.pack, range(len(self.plan.sources)))

    def packed(self) -> NDArray[np.bool_]:
        """Return for each source whether it is packed, by one listing of each folder of a thousand packs."""
        found = np.zeros(len(self.plan.sources), np.bool_)
        for path in _numbered(self.folder / "packs"):
            numbers = [int(name.removesuffix(".pack")) for name in _names(path) if name.endswith(".pack")]
            found[[number for number in numbers if number < len(found)]] = True
        return found

    def loose(self, packed: NDArray[np.bool_] | None = None) -> Iterator[tuple[int, list[int]]]:
        """Yield the sources that have finished slices but no pack, with the indices of these slices, in order."""
        packed = self.packed() if packed is None else packed
        for folder in _numbered(self.folder / "slices"):
            for path in _numbered(folder):
                source = int(path.name)
                if source < len(packed) and not packed[source]:
                    yield source, [int(one.name) for one in _numbered(path)]

    def done(self) -> NDArray[np.bool_]:
        """Return for each slice of the run whether it is finished."""
        packed, slices = self.packed(), self.plan.slices
        done = np.repeat(packed, np.diff(slices.first))
        for source, indices in self.loose(packed):
            done[[slices.number(source, index) for index in indices if index < slices.count(source)]] = True
        return done

    def pending(self) -> list[int]:
        """Return the numbers of the unfinished slices."""
        return np.flatnonzero(~self.done()).tolist()

    def each_source(self) -> Iterator[tuple[int, Totals]]:
        """Yield the totals so far of each source that has any, without samples; unfinished sources come last.

        The numbers of packed sources come from the logs, and from the packs that no log names.
        """
        packed = self.packed()
        yield from self._each_packed(packed, Tail(self.folder / "done", sources_only=True))
        for source, _ in self.loose(packed):
            yield source, self.source_totals(source)

    def _each_packed(self, wanted: NDArray[np.bool_], tail: Tail) -> Iterator[tuple[int, Totals]]:
        """Yield the totals of the packed sources that are wanted, without samples."""
        left = wanted.copy()
        for done in tail.news():
            if isinstance(done, SourceDone) and done.source < len(left) and left[done.source]:
                left[done.source] = False
                yield done.source, done.totals
        for source in np.flatnonzero(left).tolist():
            yield source, replace(self.pack(source).totals, samples={})

    def source_totals(self, source: int) -> Totals:
        """Return the totals so far of one source."""
        if self.has(source):
            return self.pack(source).totals
        return merge(map(self.summary, self.slices_of(source)))

    def so_far(self) -> Totals:
        """Return the totals over what is finished, without samples; the next call sums up only what is new then."""
        packed = self.packed()
        finished = sum_up(self.folder / "done", packed, self._each_packed)
        loose = (replace(self.source_totals(source), samples={}) for source, _ in self.loose(packed))
        return add_up(chain([finished], loose))

    def totals(self) -> Totals:
        """Return the totals over what is finished, with sample pages of SAMPLED_SOURCES sources."""
        packed = self.packed()
        finished = np.flatnonzero(packed)
        shown = finished[:: -(-len(finished) // SAMPLED_SOURCES) or 1]
        open_sources = [source for source, _ in islice(self.loose(packed), SAMPLED_SOURCES)]
        samples = chain(
            (Totals(samples=self.pack(source).samples()) for source in shown.tolist()),
            (Totals(samples=self.source_totals(source).samples) for source in open_sources),
        )
        return replace(self.so_far(), samples=add_up(samples).samples)

    def parquet(self, part: Literal["rows", "verdicts"]) -> Iterator[ParquetPart]:
        """Yield the rows or the verdicts of all that is finished."""
        packed = self.packed()
        for source in np.flatnonzero(packed).tolist():
            yield self.pack(source).parquet(part)
        for source, _ in self.loose(packed):
            for slice_ in self.slices_of(source):
                yield ParquetPart(self.slice_folder(slice_) / PART_FILES[part])

    def parts(self, source: int) -> list[PackedSlice | SliceSummary]:
        """Return the finished slices of a source, in order."""
        if self.has(source):
            return list(self.pack(source).slices)
        return [self.summary(slice_) for slice_ in self.slices_of(source)]

    def slices_folder(self, source: int) -> Path:
        return self.folder / "slices" / f"{source // 1000:03d}" / f"{source:05d}"

    def slice_folder(self, slice_: Slice) -> Path:
        return self.slices_folder(slice_.source_index) / f"{slice_.index:05d}"

    def slices_of(self, source: int) -> list[Slice]:
        """Return the finished slices of a source that is not packed yet."""
        finished = {int(path.name) for path in _numbered(self.slices_folder(source))}
        return [slice_ for slice_ in self.plan.slices.of(source) if slice_.index in finished]

    def summary(self, slice_: Slice) -> SliceSummary:
        """Return the summary of a finished slice of a source that is not packed yet."""
        path = self.slice_folder(slice_) / "slice.json"
        try:
            return SliceSummary.from_dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LedgerError(f"{path} cannot be read ({error}); remove {path.parent} and run again") from error

    def commit(self, slice_: Slice, written: Path, summary: SliceSummary) -> None:
        """Fsync a written slice and rename it into place; the last slice of a source packs the source.

        If the slice is finished already, its new copy is deleted.
        """
        final = self.slice_folder(slice_)
        for path in written.iterdir():
            sync(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            written.rename(final)
            sync(final.parent)
        except OSError:
            if not (final.exists() or self.has(slice_.source_index)):
                raise
            shutil.rmtree(written, ignore_errors=True)
        failures = {reason: n for reason, n in summary.reasons.items() if reason in FAILURES}
        number = self.plan.slices.number(slice_.source_index, slice_.index)
        self.log.add(SliceDone(number, summary.pages, summary.kept, round(summary.wall_s, 3), failures))
        if len(_numbered(final.parent)) == self.plan.slices.count(slice_.source_index):
            self.close_source(slice_.source_index)

    def close_source(self, source: int) -> dict[int, int]:
        """Pack a source whose slices are all finished and remove them; other processes may do the same at any time.

        If a slice does not begin where the one before it ended, the source stays as it is, and the result is the slices
        to read again: {index: offset where it must begin}.
        """
        slices = self.plan.slices.of(source)
        try:
            summaries = [self.summary(slice_) for slice_ in slices]
            if breaks := find_breaks(summaries):
                return breaks
            self.write_pack(source, [self.slice_folder(slice_) for slice_ in slices], summaries)
        except (LedgerError, OSError):
            if not self.has(source):  # another process has packed it and removes the slices
                raise
        return {}

    def write_pack(self, source: int, folders: Sequence[Path], summaries: Sequence[SliceSummary]) -> None:
        """Pack a source from the folders of its slices, and remove its slices."""
        scratch = self._scratch(f"{source:05d}.pack")
        try:
            totals = write_pack(scratch, folders, summaries)
        except (LedgerError, OSError):
            scratch.unlink(missing_ok=True)
            raise
        path = self.pack_path(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.rename(path)
        sync(path.parent)
        self.log.add(SourceDone(source, totals))
        shutil.rmtree(self.slices_folder(source), ignore_errors=True)

    def discard(self, slice_: Slice) -> None:
        """Delete a finished slice, so that it is read again."""
        shutil.rmtree(self.slice_folder(slice_))

    def scratch(self, slice_: Slice) -> Path:
        """Create an empty folder to write that slice in; its random name is unique across machines."""
        folder = self._scratch(slice_name(slice_))
        folder.mkdir()
        return folder

    def _scratch(self, name: str) -> Path:
        folder = self.folder / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}-{secrets.token_hex(8)}"

    def pauses(self, max_s: float = MAX_PAUSE_S, gap_s: float = 0.0) -> Pauses:
        """Return the pauses that all workers of the run share; `max_s` is the longest that they keep."""
        return Pauses(self.folder / "pauses", max_s, gap_s)

    def missing(self) -> Missing:
        """Return the sources that the run could not read."""
        return Missing(self.folder / "missing", self.plan.sources.gone)

    def sweep(self) -> None:
        """Remove what a killed run left: partial files, slices of packed sources, ended pauses. Needs the lock.

        Sources that it could not read are tried again.
        """
        self.pauses().renew()
        self.missing().forget()
        for name in ("scratch", "inflight"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for folder in _numbered(self.folder / "slices"):
            for path in _numbered(folder):
                if self.has(int(path.name)):
                    shutil.rmtree(path)
        for path in chain.from_iterable((self.folder / name).glob(".*") for name in ("dedup", "assembly")):
            _remove(path)


SOURCES = "sources.jsonl"
PAGES = "pages.npy"
OWN_FILES = {"ledger", "data", "verdicts", "sources", "manifest.json", "README.md", "report.html", "index"}
"""Every name that a run may create in its output folder."""


def wipe(out: Path) -> None:
    """Delete everything that a run wrote in its output folder, and nothing else."""
    for name in OWN_FILES - {"ledger"}:
        _remove(out / name)
    folder = out / "ledger"
    for path in folder.iterdir() if folder.exists() else ():
        if path.name != "lock":
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    """Return the names in a folder that begin with a digit, in order; none if it is missing or being removed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.name[:1].isdigit())
    except FileNotFoundError:
        return []


def _numbered(folder: Path) -> list[Path]:
    """Return the entries of a folder whose names are numbers, in order."""
    return [folder / name for name in _names(folder) if name.isdigit()]
