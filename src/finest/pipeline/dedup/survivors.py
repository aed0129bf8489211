"""The page that is kept of each cluster of duplicates, for the assembly of the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from finest.pipeline.dedup.against import Earlier
from finest.pipeline.dedup.forest import CHUNK
from finest.pipeline.dedup.index import NONE
from finest.pipeline.dedup.names import Names
from finest.pipeline.dedup.pairs import Pairs
from finest.pipeline.dedup.signatures import RunSignatures
from finest.pipeline.dedup.stages import Stages, plan
from finest.pipeline.dedup.tasks import Processes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from finest.pipeline.dedup.index import Index
    from finest.pipeline.dedup.pairs import Texts
    from finest.pipeline.dedup.signatures import Rows, Signatures
    from finest.pipeline.progress import Progress
    from finest.recipe.toolbox import Toolbox


_IN_ONE_PROCESS = 100_000
"""Up to this many rows, which take a second, no worker is forked."""


def find_survivors(
    parts: Sequence[Signatures], texts: Texts, tools: Toolbox, folder: Path, progress: Progress, *,
    memory_bytes: int, workers: int, against: Index | None = None,
) -> Survivors:  # fmt: skip
    """Deduplicate a run as the recipe of `tools` says, into `folder`; reports the expected cost before it starts.

    `parts` are the signatures of all its pages that are compared, in order; `texts` are the rows of the same parts, and
    read only if the recipe compares texts. Pages that the dataset of `against` has are dropped. Each process holds at
    most `memory_bytes`; raises RunError if that is too little, or if the signatures differ in shape.
    """
    rules, run = tools.recipe.dedup, RunSignatures(parts)
    cost = plan(run.total_rows, rules, memory_bytes)
    progress.say(f"Deduplicating {cost}")
    processes = Processes(workers if run.total_rows > _IN_ONE_PROCESS else 0, folder / "logs", progress)
    stages = Stages(run, cost, folder)
    stages.run(processes)
    if not rules.min_jaccard:
        survivor = _mapped(stages.survivors_path)
        earlier = Earlier(folder, parts, against).run(survivor, processes) if against else None
        return Survivors(
            survivor, Names(survivor, folder), with_sizes=rules.cluster_size, index=against, earlier=earlier
        )
    pairs = Pairs(folder, run.starts, texts, tools, rules.min_jaccard, memory_bytes)
    pairs.run(processes)
    survivor = _mapped(pairs.verified_path)
    return Survivors(survivor, Names(survivor, folder), _mapped(pairs.jaccard_path), with_sizes=rules.cluster_size)


def _mapped(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r")


class Survivors:
    """For each page that was compared with others, by number in the run: the page kept from its duplicate cluster.

    A recipe compares the pages that it keeps, or, if it deduplicates before the filters, all pages of the run.
    """

    def __init__(
        self, survivor: Rows, names: Names | None, jaccard: NDArray[np.float64] | None = None, *,
        with_sizes: bool = False, index: Index | None = None, earlier: NDArray[np.uint32] | None = None,
    ) -> None:  # fmt: skip
        """`names` is None if no page is kept instead of another.

        `earlier` are, for each page, the row in `index` that is kept instead of its whole cluster, or NONE.
        """
        self.survivor, self._jaccard = survivor, jaccard
        self._index, self._earlier = index, earlier
        self._sizes = _sizes(survivor) if with_sizes else None
        self._repeats: dict[int, int] = {}
        self._names = names
        self._named: dict[int, str] = {}  # the first of identical rows
        self._place: tuple[str, int] | None = None
        self._at_place: dict[str, int] = {}

    @staticmethod
    def everyone(count: int) -> Survivors:
        """Return the survivors of a run without deduplication."""
        return Survivors(np.arange(count), None)

    def keep(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        kept = np.asarray(self.survivor[numbers] == numbers)
        if self._earlier is not None:
            kept &= self._earlier[numbers] == NONE
        if self._repeats:
            kept &= [number not in self._repeats for number in numbers.tolist()]
        return kept

    def kept(self, number: int) -> bool:
        return self._of(number) == number and (self._earlier is None or self._earlier[number] == NONE)

    def sizes(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sizes of these pages' clusters, as MinHash found them: without the repeats of `drop_repeats`."""
        if self._sizes is None:
            return np.ones(len(numbers), np.int64)
        return self._sizes[self.survivor[numbers]].astype(np.int64)

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
        if self._names is not None:
            self._names.learn(numbers, ids)

    def winner(self, number: int) -> str | None:
        if self._index is not None and self._earlier is not None and self._earlier[number] != NONE:
            return self._index.id_of(int(self._earlier[number]))
        kept = self._of(number)
        return self._named.get(kept) or (self._names[kept] if self._names is not None else None)

    def jaccard(self, number: int) -> float | None:
        """Return the similarity of a dropped page with the one that was kept; None if the recipe compares no texts."""
        if self._jaccard is None:
            return None
        return 1.0 if number in self._repeats else float(self._jaccard[number])

    def _of(self, number: int) -> int:
        return self._repeats.get(number, int(self.survivor[number]))


def _sizes(survivor: Rows) -> Rows:
    """Return the number of rows of each survivor's cluster, in the type of the row numbers."""
    sizes = np.zeros(len(survivor), survivor.dtype)
    for start in range(0, len(survivor), CHUNK):
        np.add.at(sizes, survivor[start : start + CHUNK], 1)
    return sizes
