"""Share a run's slices among its tasks through the shared folder, without a server.

    RUN/claims/blocks/000/000012   exists once a task has taken block 12
    RUN/claims/slices/345.0        exists once a task has taken slice 345 alone, out of another task's block
    RUN/claims/slices/345.1        and once another has taken it again, because the first did not finish it
    RUN/claims/waiting/0           exists once a task waits for what the others still have in hand
    RUN/claims/over                exists once a task has seen that nothing is missing

Creating such a file (O_CREAT | O_EXCL, which NFS 3 and later make atomic) is the claim; the files are empty, and none
is ever changed. A task takes whole blocks, first those of its own share, then any that is free: one created file each.
When no block is free, it takes single slices from the end of the blocks of others, whatever became of these others; so
the blocks of a dead, hung or slow task are finished by those that are free, and nobody has to find out which it was.
Slices that somebody probably has in hand are taken again only after a while, as MapReduce's backup tasks are (Dean and
Ghemawat, 2004, section 3.6). Two tasks that judge the same slice do no harm: the ledger takes the first result.
"""

from __future__ import annotations

import bisect
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

PER_FOLDER = 1000
TRIES = 8
"""Blocks of the last list of free ones that a task tries to take in vain before it lists them again."""
LOOK_S = 1.0
"""Minimum seconds between two looks at what is missing."""
LONGEST_PAUSE_S = 10.0
BACKUP_FACTOR, MIN_BACKUP_S = 3.0, 2.0
"""A slice in hand is taken again after this multiple of the slowest slice so far, at least MIN_BACKUP_S."""
MAX_TAKES = 4
"""How often a slice is taken alone; the time before the next doubles with each."""
WAITING = 8
"""Number of tasks that wait for slices that others have in hand. More would only hold their nodes."""


class Claims:
    """The claims of one task of a run. `missing()` returns the unfinished slices, as far as the ledger knows."""

    def __init__(
        self, folder: Path, blocks: Sequence[range], task: int, tasks: int, missing: Callable[[], Collection[int]]
    ) -> None:
        self._folder, self._blocks, self._missing_now = folder, blocks, missing
        self._starts = [block.start for block in blocks]
        self._share = iter(range(task, len(blocks), tasks))
        self._is_any_free = True
        self._free: list[int] = []
        """Blocks that were free when this task last listed them, in any order."""
        self._missing: Collection[int] = ()
        self._takes: Counter[int] = Counter()
        """How often each slice was taken alone, by any task."""
        self._since: dict[tuple[int, int], float] = {}
        """When this task first saw a slice missing after so many takes."""
        self._mine: set[int] = set()
        """Slices that this task has begun."""
        self._granted: set[int] = set()
        """Slices that this task has taken alone and not begun."""
        self._failed: set[int] = set()
        self._looked = self._listed = float("-inf")
        self._slowest_s = 0.0

    def take(self) -> Sequence[int] | None:
        """Return ranks that no other task has: a block or a single slice. None if there are none now."""
        for number in self._share:
            if claim(self._block(number)):
                return self._blocks[number]
        free = self._free_block()
        return self._blocks[free] if free is not None else self._take_single()

    def is_taken(self, rank: int) -> bool:
        """Return whether another task or worker has taken this slice out of a block of this task; begin it if not."""
        if time.monotonic() - self._listed >= LOOK_S:
            self._list_takes()
        if rank in self._granted:
            self._granted.discard(rank)
        elif self._takes[rank] or rank in self._mine:
            return True
        self._mine.add(rank)
        return False

    def finished(self, rank: int, wall_s: float) -> None:
        """Note that this task has finished a slice, and how long it took."""
        self._mine.discard(rank)
        self._slowest_s = max(self._slowest_s, wall_s)

    def failed(self, rank: int) -> None:
        """Note that this task cannot finish a slice; others may."""
        self._failed.add(rank)

    def is_first_at_the_end(self) -> bool:
        """Return whether nothing is missing, as of the last look, and this task is the first to say so."""
        return not self._missing and claim(self._folder / "over")

    def is_failed_missing(self) -> bool:
        """Return whether a slice that this task could not finish is missing, as of the last look."""
        return any(rank in self._failed for rank in self._missing)

    def wait(self, tick: Callable[[], None]) -> bool:
        """Wait until there is a slice to take. Return False once this task has nothing more to do.

        That is the case if all slices are finished or given up, or if enough other tasks are waiting already. `tick` is
        called about once a second.
        """
        pause, is_waiting = LOOK_S, False
        while True:
            self._look()
            if not any(self._is_open(rank) for rank in self._missing):
                return False
            if self._singles():
                return True
            is_waiting = is_waiting or self._claim_place()
            if not is_waiting:
                return False
            end = time.monotonic() + pause * random.uniform(0.5, 1)
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, 1.0))
                tick()
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    def _free_block(self) -> int | None:
        """Take any block that nobody has taken; return its number."""
        while self._is_any_free:
            tries = min(TRIES, len(self._free))
            while tries:
                number = self._free.pop()
                if claim(self._block(number)):
                    return number
                tries -= 1
            taken = {int(path.name) for folder in _paths(self._folder / "blocks") for path in _paths(folder)}
            self._free = [number for number in range(len(self._blocks)) if number not in taken]
            random.shuffle(self._free)
            self._is_any_free = bool(self._free)
        return None

    def _take_single(self) -> Sequence[int] | None:
        if time.monotonic() - self._looked >= LOOK_S:
            self._look()
        for rank in self._singles():
            path = self._folder / "slices" / f"{rank}.{self._takes[rank]}"
            self._takes[rank] += 1
            if claim(path):
                self._granted.add(rank)
                return (rank,)
        return None

    def _singles(self) -> list[int]:
        """Return the slices to take alone, best first: the ends of the blocks, in any order of the blocks."""
        now = time.monotonic()
        own = self._mine | self._granted
        by_block: dict[int, list[int]] = {}
        for rank in sorted(self._missing, reverse=True):
            by_block.setdefault(bisect.bisect(self._starts, rank), []).append(rank)
        groups = list(by_block.values())
        random.shuffle(groups)
        free = [
            rank for group in groups for rank in group
            if self._is_open(rank) and rank not in own and self._may_take(rank, now, in_hand=rank == group[-1])
        ]  # fmt: skip
        return sorted(free, key=lambda rank: self._takes[rank])

    def _may_take(self, rank: int, now: float, *, in_hand: bool) -> bool:
        """Return whether a slice is free: at once if nobody has begun it, after a while if somebody may have it."""
        takes = self._takes[rank]
        if not takes and not in_hand:
            return True
        waited = now - self._since.setdefault((rank, takes), now)
        return waited >= max(MIN_BACKUP_S, BACKUP_FACTOR * self._slowest_s) * 2**takes

    def _is_open(self, rank: int) -> bool:
        return rank not in self._failed and self._takes[rank] < MAX_TAKES

    def _look(self) -> None:
        """Learn which slices are missing, and which are taken alone."""
        self._missing = self._missing_now()
        self._looked = time.monotonic()
        self._mine.intersection_update(self._missing)
        self._since = {key: at for key, at in self._since.items() if key[0] in self._missing}
        self._list_takes()

    def _list_takes(self) -> None:
        self._listed = time.monotonic()
        self._takes = Counter(int(path.stem) for path in _paths(self._folder / "slices"))

    def _block(self, number: int) -> Path:
        return self._folder / "blocks" / f"{number // PER_FOLDER:03d}" / f"{number:06d}"

    def _claim_place(self) -> bool:
        return any(claim(self._folder / "waiting" / str(place)) for place in range(WAITING))


def claim(path: Path) -> bool:
    """Create an empty file; return False if it exists."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return claim(path)
    return True


def _paths(folder: Path) -> list[Path]:
    """Return the paths in a folder; empty if there is none."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
