"""The ledger: the folder of finished slices. Resuming, progress and statistics read it.

    OUT/ledger/run.json                 the run's plan: recipe, sources, slices
    OUT/ledger/lock                     lock file, held while a run works in the folder
    OUT/ledger/slices/00000-00003/      one finished slice: rows, verdicts, signatures, slice.json
    OUT/ledger/inflight/00000-00003     offset of the page that a worker is judging now
    OUT/ledger/crashes/00000-00003.json worker deaths by page offset; after two, the page is an `extraction_crash`
    OUT/ledger/pauses/                  until when no worker sends a request, by host
    OUT/ledger/logs/                    logs of the workers
    OUT/ledger/slurm/                   submissions to Slurm, and the logs of their jobs

A worker writes a slice under a temporary name, hashes and fsyncs its files, and renames the folder. So the ledger
contains a slice completely or not at all.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finest.atomic_files import Held, hold, is_held, sync, write_whole
from finest.errors import LedgerError
from finest.masking import masked_error
from finest.pipeline.summary import SliceSummary
from finest.warc.pauses import MAX_PAUSE_S, Pauses
from finest.warc.slices import Slice
from finest.warc.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "finest-ledger/1"
DEATHS_OF_A_CRASH = 2
LOOK_S = 0.3
"""Seconds to wait for the lock: a process that only checks it holds it for a moment (atomic_files.is_held)."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The definition of a run. Equal plans mean the same run, regardless of workers and machine."""

    recipe: dict[str, Any]
    recipe_hash: str
    engine: str
    limit: int | None
    sources: tuple[Source, ...]
    slices: tuple[Slice, ...]
    where: str | None = None
    """The expression that selects the rows of the dataset (`--where`); None for all rows."""
    against: str | None = None
    """Root of the earlier dataset whose pages are duplicates (`--against`); None for none."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "recipe": self.recipe,
            "recipe_hash": self.recipe_hash,
            "engine": self.engine,
            "limit": self.limit,
            "sources": [source.to_dict() for source in self.sources],
            "slices": [asdict(slice_) for slice_ in self.slices],
            **({"where": self.where} if self.where is not None else {}),
            **({"against": self.against} if self.against is not None else {}),
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> RunPlan:
        return RunPlan(
            recipe=data["recipe"],
            recipe_hash=data["recipe_hash"],
            engine=data["engine"],
            limit=data["limit"],
            sources=tuple(Source.from_dict(source) for source in data["sources"]),
            slices=tuple(Slice(**slice_) for slice_ in data["slices"]),
            where=data.get("where"),
            against=data.get("against"),
        )

    def difference(self, other: RunPlan) -> str | None:
        """Describe how the other run differs from this one; None if they are the same run."""
        if self.recipe_hash != other.recipe_hash:
            return f"another recipe ({other.recipe['name']}, {other.recipe_hash[:12]})"
        if self.engine != other.engine:
            return f"another engine ({other.engine})"
        if self.limit != other.limit:
            return f"another limit ({other.limit})"
        if self.where != other.where:
            return (
                f"another selection ({other.where or 'all rows'}); `finest select` makes others of a finished dataset"
            )
        if self.against != other.against:
            return f"another earlier dataset ({other.against[:12] if other.against else 'none'}) in place of --against"
        mine, theirs = [_identity(s) for s in self.sources], [_identity(s) for s in other.sources]
        if mine != theirs:
            changed = next((b for a, b in zip(mine, theirs, strict=False) if a != b), None)
            return f"other sources (it has {len(theirs)}{f', among them {changed[0]}' if changed else ''})"
        return None


def _identity(source: Source) -> tuple[str, int]:
    return source.name, source.size_bytes


class Ledger:
    """One run's folder of finished slices."""

    def __init__(self, out: Path, plan: RunPlan) -> None:
        self.out = out
        self.folder = out / "ledger"
        self.plan = plan

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
        if found != FORMAT:
            raise LedgerError(f"{path} has format {found!r}, this version reads {FORMAT!r}")
        try:
            return Ledger(out, RunPlan.from_dict(data))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LedgerError(
                f"{path} is damaged ({masked_error(error)}); start again from the beginning with --restart"
            ) from error

    @staticmethod
    def begin(out: Path, plan: RunPlan, *, restart: bool) -> Ledger:
        """Open the run in `out`, or begin it.

        Raises LedgerError if the folder holds another run (`restart` deletes that one) or any foreign file.
        """
        ledger = Ledger(out, plan)
        if restart:
            ledger.wipe()
        if (ledger.folder / "run.json").exists():
            found = Ledger.read(out)
            if what := plan.difference(found.plan):
                raise LedgerError(f"{out} holds a run with {what}; name another --out, or delete it with --restart")
            return Ledger(out, _at_new_places(found.plan, plan))
        if foreign := [p.name for p in out.iterdir() if p.name not in OWN_FILES] if out.exists() else []:
            raise LedgerError(f"{out} is not empty ({foreign[0]} is in it); name another folder with --out")
        return ledger.saved()

    def saved(self) -> Ledger:
        """Write the plan to run.json, for processes on other machines too, and return this ledger."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "run.json", json.dumps(self.plan.to_dict(), indent=1).encode())
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

    def wipe(self) -> None:
        """Delete everything that a run wrote in the folder, and nothing else."""
        for name in OWN_FILES - {"ledger"}:
            _remove(self.out / name)
        for path in self.folder.iterdir() if self.folder.exists() else ():
            if path.name != "lock":
                _remove(path)

    def slice_folder(self, slice_: Slice) -> Path:
        return self.folder / "slices" / slice_name(slice_)

    def pending(self) -> list[int]:
        """Return the indices (in the plan) of the unfinished slices."""
        done = self._done()
        return [i for i, slice_ in enumerate(self.plan.slices) if slice_name(slice_) not in done]

    def _done(self) -> set[str]:
        folder = self.folder / "slices"
        return {p.name for p in folder.iterdir() if not p.name.startswith(".")} if folder.exists() else set()

    def summaries(self) -> list[SliceSummary]:
        """Return the summaries of the finished slices, in the plan's order."""
        done = self._done()
        return [self.summary(slice_) for slice_ in self.plan.slices if slice_name(slice_) in done]

    def summary(self, slice_: Slice) -> SliceSummary:
        path = self.slice_folder(slice_) / "slice.json"
        try:
            return SliceSummary.from_dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LedgerError(f"{path} cannot be read ({error}); remove {path.parent} and run again") from error

    def commit(self, slice_: Slice, written: Path) -> None:
        """Fsync a written slice and rename it into place; if it is committed already, delete the new copy."""
        final = self.slice_folder(slice_)
        for path in written.iterdir():
            sync(path)
        try:
            written.rename(final)
        except OSError:
            if not final.exists():
                raise
            shutil.rmtree(written)
        sync(final.parent)

    def discard(self, slice_: Slice) -> None:
        """Delete a finished slice, so that it is read again."""
        shutil.rmtree(self.slice_folder(slice_))

    def scratch(self, slice_: Slice) -> Path:
        """Create an empty folder to write that slice in; its random name is unique across machines."""
        folder = self.folder / "slices" / f".{slice_name(slice_)}-{secrets.token_hex(8)}"
        folder.mkdir(parents=True)
        return folder

    def inflight_path(self, slice_: Slice) -> Path:
        return self.folder / "inflight" / slice_name(slice_)

    def deaths(self, slice_: Slice) -> dict[int, int]:
        """Return how many workers died on each of the slice's pages, by page offset."""
        return _counts(self._deaths_path(slice_))

    def _deaths_path(self, slice_: Slice, *, at_limit: bool = False) -> Path:
        return self.folder / "crashes" / f"{slice_name(slice_)}{'.limits' if at_limit else ''}.json"

    def crashes(self, slice_: Slice) -> set[int]:
        """Return the offsets of pages to skip: one crash may be unrelated, two are blamed on the page."""
        return {offset for offset, n in self.deaths(slice_).items() if n >= DEATHS_OF_A_CRASH}

    def limited(self, slice_: Slice) -> set[int]:
        """Return the offsets of pages past the CPU limit: one kill is enough, as only the limit sends that signal."""
        return set(_counts(self._deaths_path(slice_, at_limit=True)))

    def note_death(self, slice_: Slice, *, at_limit: bool = False) -> int:
        """Record the death of a worker on this slice, and return the slice's number of deaths so far.

        `at_limit` means that the page exceeded its CPU limit; if the page is known, such a death returns 0.
        """
        marker = self.inflight_path(slice_)
        offset = int.from_bytes(marker.read_bytes(), "little", signed=True) if marker.exists() else -1
        at_limit &= offset >= 0
        path = self._deaths_path(slice_, at_limit=at_limit)
        counts = _counts(path)
        counts[offset] = counts.get(offset, 0) + 1
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(counts).encode())
        return 0 if at_limit else sum(counts.values())

    def pauses(self, max_s: float = MAX_PAUSE_S) -> Pauses:
        """Return the pauses that all workers of the run share; `max_s` is the longest that they keep."""
        return Pauses(self.folder / "pauses", max_s)

    def sweep(self) -> None:
        """Remove the partial files of an earlier, killed run, and its pauses that are over. Call with the lock held."""
        self.pauses().renew()
        folder = self.folder / "slices"
        for path in folder.glob(".*") if folder.exists() else ():
            shutil.rmtree(path)
        shutil.rmtree(self.folder / "inflight", ignore_errors=True)


def _counts(path: Path) -> dict[int, int]:
    """Read counts by offset from a file that may be missing; raises LedgerError if it is damaged."""
    try:
        return {int(offset): int(n) for offset, n in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path} cannot be read ({error}); remove it and run again") from error


OWN_FILES = {"ledger", "data", "verdicts", "manifest.json", "README.md", "report.html", "index"}
"""Every name that a run may create in its output folder."""


def slice_name(slice_: Slice) -> str:
    return f"{slice_.source_index:05d}-{slice_.index:05d}"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _at_new_places(found: RunPlan, plan: RunPlan) -> RunPlan:
    """Return the found run with the current locations of its sources (a moved folder, HTTPS instead of S3)."""
    return RunPlan(
        found.recipe,
        found.recipe_hash,
        found.engine,
        found.limit,
        plan.sources,
        found.slices,
        found.where,
        found.against,
    )
