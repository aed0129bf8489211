"""Cut a run's slices into blocks, and hand them to the workers of a process.

A block is a range of consecutive slices of one source, which one worker reads one after the other. Blocks become
smaller towards the end of the run, so that all workers end at about the same time, and small from the beginning where
there are few sources for many workers.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BLOCKS_PER_WORKER = 2
"""A block is at most this part of an equal share of what is left (guided self-scheduling, Polychronopoulos and Kuck,
1987, with the factor of two of OpenMP implementations)."""


def spans_of(numbers: Sequence[int]) -> list[range]:
    """Return ascending numbers as the longest ranges of consecutive ones."""
    if not numbers:
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    return [range(int(part[0]), int(part[-1]) + 1) for part in np.split(np.asarray(numbers), breaks)]


def cut(spans: Sequence[range], first: Sequence[int] | np.ndarray[Any, Any], workers: int) -> list[range]:
    """Cut ascending ranges of slices into blocks for that many workers, in the order in which they should be taken.

    `first` holds the number of the first slice of each source, ascending, and at the end the number of slices. The same
    arguments give the same blocks, so every task of a run finds them by itself.
    """
    blocks: list[range] = []
    bounds = np.asarray(first)
    left = sum(len(span) for span in spans)
    for span in spans:
        start = span.start
        while start < span.stop:
            size = max(1, left // (BLOCKS_PER_WORKER * workers)) if workers > 1 else left
            source_end = int(bounds[np.searchsorted(bounds, start, side="right")])
            blocks.append(range(start, min(start + size, span.stop, source_end)))
            left -= len(blocks[-1])
            start = blocks[-1].stop
    return blocks


class Queue:
    """Hands each worker the slices of a block in their order, then those of another block."""

    def __init__(
        self, blocks: Sequence[Sequence[int]], take: Callable[[], Sequence[int] | None],
        is_taken: Callable[[int], bool] = lambda _: False,
    ) -> None:  # fmt: skip
        """`take()` returns the next of `blocks`, or a part of one, and None if there is none now; a slice of it that
        `is_taken` is left out.
        """
        self._all, self._starts = blocks, [block[0] for block in blocks]
        self._take, self._is_taken = take, is_taken
        self._blocks: dict[int, deque[int]] = {}

    def next(self, worker: int) -> int | None:
        """Return the rank of the slice that this worker judges next; None if there is nothing to do now."""
        block = self._blocks.setdefault(worker, deque())
        while True:
            while block:
                rank = block.popleft()
                if not self._is_taken(rank):
                    return rank
            more = self._take()
            if more is None:
                return None
            block.extend(more)

    def last(self, rank: int) -> int:
        """Return the last rank of the block that this rank belongs to."""
        return self._all[bisect.bisect(self._starts, rank) - 1][-1]


def queue_of(blocks: Sequence[Sequence[int]], is_taken: Callable[[int], bool] = lambda _: False) -> Queue:
    """Return a queue of blocks that no other process works on; `is_taken` is as in Queue."""
    remaining = iter(blocks)
    return Queue(blocks, lambda: next(remaining, None), is_taken)
