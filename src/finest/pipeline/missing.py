"""Sources that a run cannot read: each costs itself, and the next run of the same command tries it again.

    OUT/ledger/missing/12345    why source 12345 could not be read

A process that fails to read a slice notes the source there, and no process of the run reads the source's other slices.
When the others are finished, the run ends with an error, or makes the dataset without these sources if the user allows
it. Then the manifest names each of them with no bytes read and the loss `source_unreadable`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from finest.atomic_files import write_whole
from finest.dataset.rows import schema_with
from finest.errors import SourceError
from finest.formatting import counted
from finest.pipeline.done import SourceDone, Tail
from finest.pipeline.outcome import SliceOutput
from finest.recipe.stages import ORDERS
from finest.warc.loss import SOURCE_UNREADABLE, Loss
from finest.warc.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RunOptions
    from finest.recipe.recipe import Recipe

MAX_MISSING_SHARE = 0.05
"""A larger share of unreadable sources, of those tried, ends the run: the network or the credentials are at fault."""
MIN_MISSING = 10
"""Fewer sources than this never end the run before the others are finished."""
MAX_LOOKED_AT = 1000
"""Maximum number of unfinished sources that are looked at themselves, beside the logs."""
GONE = "it could not be read when the run was planned; --restart plans it again"
NAMED = 3
"""Maximum number of sources that an error names."""


class Missing:
    """The sources that the processes of a run could not read."""

    def __init__(self, folder: Path, gone: Mapping[int, str]) -> None:
        """`gone` names those that were so already when the run was planned."""
        self._folder, self._gone = folder, gone

    def note(self, source: int, why: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / f"{source:05d}", why.encode())

    def forget(self) -> None:
        """Let the sources be tried again."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def has(self, source: int) -> bool:
        return source in self._gone or (self._folder / f"{source:05d}").exists()

    def found(self) -> dict[int, str]:
        """Return why each of the sources could not be read, in their order."""
        paths = sorted(self._folder.glob("[0-9]*")) if self._folder.is_dir() else []
        noted = {int(path.name): path.read_text(encoding="utf-8") for path in paths}
        gone = {number: f"{name}: {GONE}" for number, name in self._gone.items()}
        return dict(sorted({**gone, **noted}.items()))


def is_missing(ledger: Ledger, rank: int) -> bool:
    """Return whether the source of a slice could not be read."""
    return ledger.missing().has(ledger.plan.slices[rank].source_index)


def slices_left(ledger: Ledger) -> list[int]:
    """Return the numbers of the unfinished slices whose source may be read."""
    left, missing = ledger.pending(), list(ledger.missing().found())
    if not missing:
        return left
    sources = np.searchsorted(ledger.plan.slices.first, left, side="right") - 1
    found: list[int] = np.asarray(left, np.int64)[~np.isin(sources, missing)].tolist()
    return found


class SlicesLeft:
    """The unfinished slices whose source may be read, which cost only what has changed since the last look.

    What is finished is read from the logs. A killed process may have left out a line, so the sources that the logs
    leave open are looked at themselves, once they are few.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._tail = ledger, Tail(ledger.folder / "done")
        self._tail.skip()  # before the ledger is read: what is logged from here on is either in it or new
        self._is_done = ledger.done()

    def look(self) -> list[int]:
        """Return their numbers."""
        for done in self._tail.news():
            if isinstance(done, SourceDone):
                self._finish(done.source)
            elif done.number < len(self._is_done):
                self._is_done[done.number] = True
        missing = self._ledger.missing().found()
        sources = [source for source in self._open() if source not in missing]
        for source in sources if len(sources) <= MAX_LOOKED_AT else ():
            if self._ledger.has(source):
                self._finish(source)
            for slice_ in self._ledger.slices_of(source):
                self._is_done[self._ledger.plan.slices.number(source, slice_.index)] = True
        slices = self._ledger.plan.slices
        return [
            rank for source in sources for rank in range(slices.first[source], slices.first[source + 1])
            if not self._is_done[rank]
        ]  # fmt: skip

    def _open(self) -> list[int]:
        """Return the sources with unfinished slices."""
        left = np.flatnonzero(~self._is_done)
        found: list[int] = np.unique(np.searchsorted(self._ledger.plan.slices.first, left, side="right") - 1).tolist()
        return found

    def _finish(self, source: int) -> None:
        first = self._ledger.plan.slices.first
        if source < len(first) - 1:
            self._is_done[first[source] : first[source + 1]] = True


class MissingWatch:
    """Notes the sources that cannot be read, and ends a run that cannot read too large a share of them."""

    def __init__(self, ledger: Ledger, say: Callable[[str], None]) -> None:
        self._ledger, self._say = ledger, say
        self._noted: set[int] = set()

    def note(self, rank: int, error: SourceError, done: NDArray[np.bool_]) -> None:
        """Note that the source of a slice cannot be read; `done` says for each slice whether it is finished.

        Raises the error if MIN_MISSING sources and more than MAX_MISSING_SHARE of those tried cannot be read, or if the
        run has no other source.
        """
        sources, first = self._ledger.plan.sources, self._ledger.plan.slices.first
        source = self._ledger.plan.slices[rank].source_index
        if len(sources) == 1:
            raise error
        if source in self._noted:
            return
        self._noted.add(source)
        self._ledger.missing().note(source, str(error))
        tried = len(self._noted) + int(np.add.reduceat(done, first[:-1]).astype(np.bool_).sum())
        if len(self._noted) >= MIN_MISSING and len(self._noted) > MAX_MISSING_SHARE * tried:
            raise SourceError(f"{len(self._noted)} of {tried} sources could not be read, the last: {error}")
        self._say(f"The run goes on without a source: {error}")


def leave_out(ledger: Ledger, options: RunOptions, say: Callable[[str], None]) -> None:
    """Finish the sources that could not be read as empty ones, if `options.allow_missing` allows it.

    Raises SourceError otherwise; the finished sources stay, and the same command tries the others again.
    """
    missing = {source: why for source, why in ledger.missing().found().items() if not ledger.has(source)}
    if not missing:
        return
    words = list(missing.values())
    if len(missing) > most_missing(options.allow_missing, len(ledger.plan.sources)):
        more = f"; and {len(words) - NAMED} more, see {ledger.folder / 'missing'}" if len(words) > NAMED else ""
        raise SourceError(
            f"{len(missing)} of {counted(len(ledger.plan.sources), 'source')} could not be read: "
            f"{'; '.join(words[:NAMED])}{more}. The others are finished: the same command tries again, and with "
            f"--allow-missing {len(missing)} it makes the dataset without what it cannot read"
        )
    for source, why in missing.items():
        _pack_nothing(ledger, options.recipe, source, why)
        say(f"Left out, named in the manifest as unreadable: {why}")


def most_missing(allowed: float, sources: int) -> int:
    """Return how many sources may be missing: `allowed` is their number, or below 1 their share."""
    return int(allowed * sources) if allowed < 1 else int(allowed)


@dataclass
class NothingRead:
    """Stands for the reader of a source that was left out."""

    losses: list[Loss]
    lost_bytes: int
    first_offset: int = 0
    next_offset: int = 0
    sha256: str = hashlib.sha256().hexdigest()
    records: Counter[str] = field(default_factory=Counter)


def _pack_nothing(ledger: Ledger, recipe: Recipe, source: int, why: str) -> None:
    """Pack a source without any page."""
    size = int(ledger.plan.sources.sizes[source])
    slice_ = Slice(source, 0, 0, size)
    folder = ledger.scratch(slice_)
    output = SliceOutput(
        ledger.plan.sources.name(source), schema_with(recipe.columns()), dedup_first=ORDERS[recipe.order].dedup_first
    )
    files = output.write(folder)
    read = NothingRead([Loss(SOURCE_UNREADABLE, 0, size, why)], size)
    summary = output.summary(slice_, read, files, stage_cpu_s={}, cpu_s=0.0, wall_s=0.0, fallbacks={})
    ledger.write_pack(source, [folder], [summary])
