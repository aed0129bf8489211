"""Drop the pages that an earlier dataset has: find its rows by the index, then pass them on within each cluster.

    OUT/ledger/dedup/like-T-of-TT.npy   for each row of the parts of task T: the row of the dataset with an equal bucket
    OUT/ledger/dedup/earlier.npy        for each row, in order: the row of the dataset that is kept instead

A cluster with a page that the dataset has is dropped as a whole, as in one run over both in which the dataset's pages
come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finest.pipeline.dedup.files import whole_file
from finest.pipeline.dedup.index import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.dedup.index import Index
    from finest.pipeline.dedup.signatures import Rows, Signatures
    from finest.pipeline.tasks import Tasks

_TASK_PARTS = 64


class Earlier:
    """The comparison of a run with an earlier dataset, in the folder of the deduplication."""

    def __init__(self, folder: Path, parts: Sequence[Signatures], index: Index) -> None:
        self._folder, self._parts, self._index = folder, parts, index
        self._tasks = -(-len(parts) // _TASK_PARTS)

    def run(self, survivor: Rows, tasks: Tasks) -> NDArray[np.uint32]:
        """Return for each row the dataset's row that is kept instead; NONE for a row of a cluster that it has not."""
        path = self._folder / "earlier.npy"
        tasks.run(
            "Comparing with the earlier dataset", range(self._tasks), self._look_up,
            lambda task: self._path(task).exists() or path.exists(),
        )  # fmt: skip
        tasks.once("Joining the pages of the earlier dataset", lambda: self._write(path, survivor), path.exists)
        earlier: NDArray[np.uint32] = np.load(path, mmap_mode="r")
        return earlier

    def _look_up(self, task: int) -> None:
        parts = self._parts[task * _TASK_PARTS : (task + 1) * _TASK_PARTS]
        with whole_file(self._path(task)) as file:
            np.save(file, np.concatenate([self._index.rows_like(part) for part in parts]))

    def _write(self, path: Path, survivor: Rows) -> None:
        """Give the pages of a cluster that have no such row of their own the first one of the others."""
        first = np.full(len(survivor), NONE, np.uint32)
        start = 0
        for task in range(self._tasks):
            own = np.load(self._path(task))
            np.minimum.at(first, survivor[start : start + len(own)], own)
            start += len(own)
        start = 0
        with whole_file(path) as file:
            header = {"descr": first.dtype.str, "fortran_order": False, "shape": first.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for task in range(self._tasks):
                own = np.load(self._path(task))
                np.where(own == NONE, first[survivor[start : start + len(own)]], own).tofile(file)
                start += len(own)
        for task in range(self._tasks):
            self._path(task).unlink(missing_ok=True)

    def _path(self, task: int) -> Path:
        return self._folder / f"like-{task:05d}-of-{self._tasks}.npy"
