"""Find the rows of earlier datasets that share a bucket with pages of a run, and drop pages that they have.

    OUT/ledger/dedup/earlier/N/index/   the index of dataset N: links to local files, copies of those on the Hub
    OUT/ledger/dedup/like-T-of-TT.npy   pages of the parts of task T and rows that share a bucket with them, by row
    OUT/ledger/dedup/earlier.npy        for each page, in order: the row that is kept instead

If the recipe compares texts, `finest.pipeline.dedup.pairs` decides which page is dropped. Otherwise a cluster with a
page that a dataset has is dropped as a whole, as in one run over all in which the datasets' pages come first.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finest.atomic_files import size_and_sha256, temporary_name
from finest.capacity import free_disk_bytes
from finest.errors import NoRoom, VerifyError
from finest.formatting import byte_size
from finest.pipeline.dedup.earlier_ids import EarlierIds, write_ids
from finest.pipeline.dedup.earlier_sample import sample_agrees
from finest.pipeline.dedup.files import whole_file
from finest.pipeline.dedup.index import NONE, Index
from finest.pipeline.dedup.signatures import RunSignatures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from finest.dataset.signature_index import IndexFile
    from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
    from finest.pipeline.dedup.signatures import Rows, Signatures
    from finest.pipeline.tasks import Tasks
    from finest.recipe.toolbox import Toolbox

_TASK_PARTS = 64


class Earlier:
    """The comparison of a run with earlier datasets, in the folder of the deduplication."""

    def __init__(self, folder: Path, parts: Sequence[Signatures], earlier: EarlierDatasets) -> None:
        self.folder, self.parts, self.earlier = folder, parts, earlier
        self._files = [
            (number, file)
            for number, dataset in enumerate(earlier.datasets) if dataset.manifest.index is not None
            for file in dataset.manifest.index.files
        ]  # fmt: skip
        self.starts = RunSignatures(parts).starts
        self._tasks = -(-len(parts) // _TASK_PARTS)

    @property
    def rows_path(self) -> Path:
        return self.folder / "earlier.npy"

    def look_up(self, tasks: Tasks) -> None:
        """Find the rows that share a bucket with the pages."""
        is_over = self.rows_path.exists
        if not is_over():
            self._check_room()
        tasks.run(
            "Reading the index of the earlier dataset", range(len(self._files)), self._fetch,
            lambda number: self._index_path(*self._files[number]).exists() or is_over(),
        )  # fmt: skip
        tasks.run(
            "Comparing with the earlier dataset", range(self._tasks), self._look_up,
            lambda task: self._path(task).exists() or is_over(),
        )  # fmt: skip

    def drop_clusters(self, survivor: Rows, tools: Toolbox, tasks: Tasks) -> None:
        """Drop the clusters with a page that shares a bucket with a row; says how many of a sample resemble the row."""

        def drop() -> None:
            agreeing, drawn = sample_agrees(self, tools)
            if drawn:
                tasks.progress.say(
                    f"{agreeing} of {drawn} rows drawn share a bucket with the pages that are dropped for them; for "
                    f"the others, the index of the earlier dataset is all that says so"
                )
            self._write(survivor)

        tasks.once("Joining the pages of the earlier dataset", drop, self.rows_path.exists)

    def kept(self, tasks: Tasks) -> tuple[NDArray[np.uint32], EarlierIds]:
        """Return for each page the row that is kept instead, NONE without one, and the ids of these rows."""
        rows: NDArray[np.uint32] = np.load(self.rows_path, mmap_mode="r")
        return rows, write_ids(self.folder, rows, self.earlier, tasks)

    def matches(self) -> Iterator[NDArray[np.int64]]:
        """Yield what `Index.matches` found of the pages of each task, mapped, and by row instead."""
        for task in range(self._tasks):
            yield np.load(self._path(task), mmap_mode="r")

    def _check_room(self) -> None:
        """Raise NoRoom if the disk has too little room for the files that are to be downloaded."""
        size = sum(
            file.size_bytes for number, file in self._files
            if not isinstance(self.earlier.datasets[number].place, Path) and not self._index_path(number, file).exists()
        )  # fmt: skip
        free = free_disk_bytes(self.folder)
        if size > free:
            raise NoRoom(
                f"the index of the earlier dataset has {byte_size(size)} to download, {self.folder} has room for "
                f"{byte_size(free)}; make room and run the same command again"
            )

    def _fetch(self, number: int) -> None:
        """Bring a file of the index here; raises VerifyError if it is not the one that the manifest names."""
        of, file = self._files[number]
        dataset, target = self.earlier.datasets[of], self._index_path(of, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(dataset.place, Path):
            path = (dataset.place / file.path).absolute()
            if size_and_sha256(path) != (file.size_bytes, file.sha256):
                raise VerifyError(f"{path} is not the file that the manifest names; copy the dataset again")
            temporary = temporary_name(target)
            temporary.symlink_to(path)
            temporary.replace(target)
            return
        sha = hashlib.sha256()
        with whole_file(target) as copy:
            for piece in dataset.pieces(file):
                sha.update(piece)
                copy.write(piece)
            if sha.hexdigest() != file.sha256:
                raise VerifyError(f"{dataset.place}: {file.path} is not the file that the manifest names")

    def _look_up(self, task: int) -> None:
        found = [self._found_in(number, self._numbers(task)) for number in range(len(self.earlier.datasets))]
        with whole_file(self._path(task)) as file:
            np.save(file, np.concatenate(found, axis=1))

    def _found_in(self, number: int, parts: range) -> NDArray[np.int64]:
        """Return the matches of some parts with a dataset, by row."""
        dataset = self.earlier.datasets[number]
        assert dataset.manifest.index is not None
        index = Index(self.folder / "earlier" / str(number), dataset.manifest.index.buckets)
        rows, pages = np.concatenate([index.matches(self.parts[n], self.starts[n]) for n in parts], axis=1)
        if (rows >= dataset.manifest.rows).any():
            raise VerifyError(f"{dataset.place}: its index names rows that it does not have")
        order = np.argsort(rows, kind="stable")
        return np.stack((rows[order] + self.earlier.firsts[number], pages[order]))

    def _write(self, survivor: Rows) -> None:
        """Give the pages of a cluster that have no such row of their own the first one of the others."""
        first = np.full(len(survivor), NONE, np.uint32)
        for rows, pages in self.matches():
            np.minimum.at(first, survivor[pages], rows.astype(np.uint32))
        with whole_file(self.rows_path) as file:
            header = {"descr": first.dtype.str, "fortran_order": False, "shape": first.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for task in range(self._tasks):
                numbers, (rows, pages) = self._numbers(task), np.load(self._path(task))
                start, end = self.starts[numbers[0]], self.starts[numbers[-1] + 1]
                own = np.full(end - start, NONE, np.uint32)
                np.minimum.at(own, pages - start, rows.astype(np.uint32))
                np.where(own == NONE, first[survivor[start:end]], own).tofile(file)

    def _numbers(self, task: int) -> range:
        """Return the numbers of the parts of a task."""
        return range(task * _TASK_PARTS, min((task + 1) * _TASK_PARTS, len(self.parts)))

    def _index_path(self, number: int, file: IndexFile) -> Path:
        return self.folder / "earlier" / str(number) / file.path

    def _path(self, task: int) -> Path:
        return self.folder / f"like-{task:05d}-of-{self._tasks}.npy"
