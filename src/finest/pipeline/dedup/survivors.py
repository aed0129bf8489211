"""The page that is kept of each cluster of duplicates, for the assembly of the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finest.pipeline.dedup.forest import CHUNK
from finest.pipeline.dedup.signatures import RunSignatures
from finest.pipeline.dedup.stages import Stages, plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from finest.pipeline.dedup.signatures import Rows, Signatures
    from finest.pipeline.progress import Progress
    from finest.recipe.recipe import DedupRules


def find_survivors(
    parts: Sequence[Signatures], rules: DedupRules, folder: Path, progress: Progress, *, memory_bytes: int, workers: int
) -> Survivors:  # fmt: skip
    """Deduplicate a run with MinHash, into `folder`; reports the expected cost before it starts.

    `parts` are the signatures of all its pages that are compared, in order. Each process holds at most `memory_bytes`;
    raises RunError if that is too little, or if the signatures differ in shape.
    """
    run = RunSignatures(parts)
    cost = plan(run.total_rows, rules, memory_bytes)
    progress.say(f"Deduplicating {cost}")
    stages = Stages(run, cost, folder, with_sizes=rules.cluster_size)
    stages.run(workers, progress)
    sizes = np.load(stages.sizes_path, mmap_mode="r") if rules.cluster_size else None
    return Survivors(np.load(stages.survivors_path, mmap_mode="r"), sizes)


class Survivors:
    """For each page that was compared with others, by number in the run: the page kept from its duplicate cluster.

    A recipe compares the pages that it keeps, or, if it deduplicates before the filters, all pages of the run.
    """

    def __init__(self, survivor: Rows, sizes: Rows | None = None) -> None:
        self._survivor, self._sizes = survivor, sizes
        self._repeats: dict[int, int] = {}
        self._named: dict[int, str | None] = dict.fromkeys(_winners(survivor))
        self._place: tuple[str, int] | None = None
        self._at_place: dict[str, int] = {}

    @staticmethod
    def everyone(count: int) -> Survivors:
        """Return the survivors of a run without deduplication."""
        return Survivors(np.arange(count))

    def keep(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        kept = np.asarray(self._survivor[numbers] == numbers)
        if self._repeats:
            kept &= [number not in self._repeats for number in numbers.tolist()]
        return kept

    def kept(self, number: int) -> bool:
        return self._of(number) == number

    def sizes(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sizes of these pages' clusters, as MinHash found them: without the repeats of `drop_repeats`."""
        if self._sizes is None:
            return np.ones(len(numbers), np.int64)
        return self._sizes[numbers].astype(np.int64)

    def drop_repeats(self, numbers: NDArray[np.int64], batch: pa.RecordBatch) -> None:
        """Mark each row that repeats an earlier one as its duplicate; `batch` holds the rows of these pages.

        Two rows are identical only if one gzip member contains the same record twice. MinHash has already found such
        a pair, unless the recipe disables deduplication or the text is too short for a signature.
        """
        columns = (batch.column(name).to_pylist() for name in ("file_path", "warc_offset", "row_hash", "id"))
        for number, path, offset, digest, id in zip(numbers.tolist(), *columns, strict=True):
            if self._place != (path, offset):
                self._place, self._at_place = (path, offset), {}
            first = self._at_place.setdefault(digest, number)
            if first != number and self.kept(first) and self.kept(number):
                self._repeats[number], self._named[first] = first, id

    def learn(self, numbers: NDArray[np.int64], ids: list[str]) -> None:
        """Remember the ids of pages kept instead of duplicates; `ids` are those of these pages."""
        for number, id in zip(numbers.tolist(), ids, strict=True):
            if number in self._named:
                self._named[number] = id

    def winner(self, number: int) -> str | None:
        return self._named[self._of(number)]

    def _of(self, number: int) -> int:
        return self._repeats.get(number, int(self._survivor[number]))


def _winners(survivor: Rows) -> list[int]:
    """Return the pages that are kept instead of another."""
    found = [
        np.unique(part[part != np.arange(start, start + len(part))])
        for start in range(0, len(survivor), CHUNK)
        if len(part := survivor[start : start + CHUNK])
    ]
    return np.unique(np.concatenate(found)).tolist() if found else []
