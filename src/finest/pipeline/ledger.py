"""The ledger: the folder of finished slices, which resuming, progress and statistics read.

    OUT/ledger/run.json                 what the run is: recipe, sources, slices
    OUT/ledger/lock                     held while a run works in the folder
    OUT/ledger/slices/00000-00003/      one finished slice: rows, verdicts, signatures, slice.json
    OUT/ledger/inflight/00000-00003     the offset of the page that a worker has in its hands
    OUT/ledger/crashes/00000-00003.json pages that workers died with; twice, and it is judged as `extraction_crash`
    OUT/ledger/logs/                    what the workers said
    OUT/ledger/slurm/                   what was submitted to Slurm, and what its jobs said

A slice is written under a temporary name, fsynced, hashed and renamed: it is there whole or not at all.
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
from finest.warc.slices import Slice
from finest.warc.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "finest-ledger/1"
DEATHS_OF_A_CRASH = 2
LOOK_S = 0.3
"""Whoever looks whether a folder is held has its lock for a moment (files.is_held)."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is. Two runs with equal plans are the same run, whatever their workers and machine."""

    recipe: dict[str, Any]
    recipe_hash: str
    engine: str
    limit: int | None
    sources: tuple[Source, ...]
    slices: tuple[Slice, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "recipe": self.recipe,
            "recipe_hash": self.recipe_hash,
            "engine": self.engine,
            "limit": self.limit,
            "sources": [source.to_dict() for source in self.sources],
            "slices": [asdict(slice_) for slice_ in self.slices],
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
        )

    def difference(self, other: RunPlan) -> str | None:
        """What sets another run apart from this one, in words; None if they are the same."""
        if self.recipe_hash != other.recipe_hash:
            return f"another recipe ({other.recipe['name']}, {other.recipe_hash[:12]})"
        if self.engine != other.engine:
            return f"another engine ({other.engine})"
        if self.limit != other.limit:
            return f"another limit ({other.limit})"
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
        """The ledger that lies in an output folder; raises LedgerError where there is none or it cannot be read."""
        path = out / "ledger" / "run.json"
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise LedgerError(f"{out} holds no run; start one with: finest refine SOURCE --out {out}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise LedgerError(f"{path} cannot be read: {error}; start anew with --restart") from error
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            raise LedgerError(f"{path} has format {found!r}, this version reads {FORMAT!r}")
        try:
            return Ledger(out, RunPlan.from_dict(data))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LedgerError(f"{path} is damaged ({masked_error(error)}); start anew with --restart") from error

    @staticmethod
    def begin(out: Path, plan: RunPlan, *, restart: bool) -> Ledger:
        """Open the run in `out`, or begin it.

        Raises LedgerError where the folder holds another run (`restart` throws that one away) or files of others.
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
            raise LedgerError(f"{out} is not empty ({foreign[0]} is there); name another folder with --out")
        return ledger.saved()

    def saved(self) -> Ledger:
        """Write down what the run is, for whoever works at it elsewhere."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "run.json", json.dumps(self.plan.to_dict(), indent=1).encode())
        return self

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; raises LedgerError where another process holds it."""
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
        """Whether a run works in the folder now."""
        return is_held(self.folder / "lock")

    def wipe(self) -> None:
        """Throw away all that a run wrote in the folder, and nothing else."""
        for name in OWN_FILES - {"ledger"}:
            _remove(self.out / name)
        for path in self.folder.iterdir() if self.folder.exists() else ():
            if path.name != "lock":
                _remove(path)

    def slice_folder(self, slice_: Slice) -> Path:
        return self.folder / "slices" / slice_name(slice_)

    def pending(self) -> list[int]:
        """Indices in the plan of the slices that are not finished."""
        done = self._done()
        return [i for i, slice_ in enumerate(self.plan.slices) if slice_name(slice_) not in done]

    def _done(self) -> set[str]:
        folder = self.folder / "slices"
        return {p.name for p in folder.iterdir() if not p.name.startswith(".")} if folder.exists() else set()

    def summaries(self) -> list[SliceSummary]:
        """Summaries of the finished slices, in the plan's order."""
        done = self._done()
        return [self.summary(slice_) for slice_ in self.plan.slices if slice_name(slice_) in done]

    def summary(self, slice_: Slice) -> SliceSummary:
        path = self.slice_folder(slice_) / "slice.json"
        try:
            return SliceSummary.from_dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LedgerError(f"{path} cannot be read ({error}); remove {path.parent} and run again") from error

    def commit(self, slice_: Slice, written: Path) -> None:
        """Rename a written slice into place; a slice that is there already stays, and the new one is dropped."""
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
        """Take a finished slice back: it will be read again."""
        shutil.rmtree(self.slice_folder(slice_))

    def scratch(self, slice_: Slice) -> Path:
        """A new empty folder to write that slice in, nobody else's on any machine."""
        folder = self.folder / "slices" / f".{slice_name(slice_)}-{secrets.token_hex(8)}"
        folder.mkdir(parents=True)
        return folder

    def inflight_path(self, slice_: Slice) -> Path:
        return self.folder / "inflight" / slice_name(slice_)

    def deaths(self, slice_: Slice) -> dict[int, int]:
        """How often a worker died with each of the slice's pages in its hands, by offset."""
        return _counts(self._deaths_path(slice_))

    def _deaths_path(self, slice_: Slice, *, at_limit: bool = False) -> Path:
        return self.folder / "crashes" / f"{slice_name(slice_)}{'.limits' if at_limit else ''}.json"

    def crashes(self, slice_: Slice) -> set[int]:
        """Offsets of pages to skip: one crash may be unrelated, two are blamed on the page."""
        return {offset for offset, n in self.deaths(slice_).items() if n >= DEATHS_OF_A_CRASH}

    def limited(self, slice_: Slice) -> set[int]:
        """Offsets of the pages at whose CPU limit a worker was killed: once is enough, none else sends the signal."""
        return set(_counts(self._deaths_path(slice_, at_limit=True)))

    def note_death(self, slice_: Slice, *, at_limit: bool = False) -> int:
        """Remember that a worker died with this slice; how often that has happened to it.

        `at_limit`: it was killed because its page took more CPU time than it may.
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

    def sweep(self) -> None:
        """Remove what an earlier, killed run left half-written. Call with the lock held."""
        folder = self.folder / "slices"
        for path in folder.glob(".*") if folder.exists() else ():
            shutil.rmtree(path)
        shutil.rmtree(self.folder / "inflight", ignore_errors=True)


def _counts(path: Path) -> dict[int, int]:
    """A number by offset, from a file that need not be there; raises LedgerError where it is damaged."""
    try:
        return {int(offset): int(n) for offset, n in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path} cannot be read ({error}); remove it and run again") from error


OWN_FILES = {"ledger", "data", "verdicts", "manifest.json", "README.md", "report.html"}
"""Every name that a run may make in its output folder."""


def slice_name(slice_: Slice) -> str:
    return f"{slice_.source_index:05d}-{slice_.index:05d}"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _at_new_places(found: RunPlan, plan: RunPlan) -> RunPlan:
    """The found run, reading the same sources where they lie now (a moved folder, HTTPS instead of S3)."""
    return RunPlan(found.recipe, found.recipe_hash, found.engine, found.limit, plan.sources, found.slices)
