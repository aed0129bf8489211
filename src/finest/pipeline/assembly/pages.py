"""The pages of a run that deduplication compared, by their numbers: which are kept, and where each source's begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from finest.pipeline.dedup.index import NONE
from finest.recipe.reasons import KEPT
from finest.recipe.stages import ORDERS

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from finest.pipeline.dedup.signatures import Rows
    from finest.pipeline.dedup.survivors import Survivors
    from finest.pipeline.ledger import Ledger
    from finest.pipeline.pack import Pack
    from finest.recipe.recipe import Recipe


def dedup_first(recipe: Recipe) -> bool:
    """Return whether the recipe deduplicates before its filters, so that pages are numbered by their verdicts."""
    return ORDERS[recipe.order].dedup_first


def first_numbers(ledger: Ledger, recipe: Recipe) -> NDArray[np.int64]:
    """Return the number of the first compared page of each source, and the number of all such pages.

    A recipe compares the pages that it keeps, or all pages (`dedup_first`).
    """
    counts = np.zeros(len(ledger.plan.sources), np.int64)
    for source, totals in ledger.each_source():
        counts[source] = totals.pages if dedup_first(recipe) else totals.kept
    return np.concatenate(([0], np.cumsum(counts)))


class Pages:
    """The compared pages of a run, of which `found` says what became of them: None if the recipe compares none."""

    def __init__(self, ledger: Ledger, recipe: Recipe, first: NDArray[np.int64], found: Survivors | None) -> None:
        self.ledger, self.recipe = ledger, recipe
        self.first_compared = first
        self._found = found
        self.survivors: Rows | None = None if found is None else found.kept

    def compared(self, source: int) -> tuple[int, int]:
        """Return the number of the first compared page of a source, and that after its last one."""
        return int(self.first_compared[source]), int(self.first_compared[source + 1])

    def kept_instead(self, source: int) -> NDArray[np.int64]:
        """Return for each compared page of a source the number of the page that is kept of its cluster."""
        first, end = self.compared(source)
        if self.survivors is None:
            return np.arange(first, end, dtype=np.int64)
        return np.asarray(self.survivors[first:end], np.int64)

    def sizes(self, source: int) -> NDArray[np.int64]:
        """Return the size of the cluster of each compared page of a source, as MinHash found it."""
        first, end = self.compared(source)
        if self._found is None or self._found.sizes is None:
            return np.ones(end - first, np.int64)
        return np.asarray(self._found.sizes[first:end], np.int64)

    def jaccard(self, source: int) -> NDArray[np.float64] | None:
        """Return the similarity of each dropped page of a source with the kept one, if the recipe compares texts."""
        first, end = self.compared(source)
        if self._found is None or self._found.jaccard is None:
            return None
        return np.asarray(self._found.jaccard[first:end])

    def kept_earlier(self, source: int) -> dict[int, str]:
        """Return the ids of the rows of an earlier dataset that are kept instead of pages of a source, by place."""
        first, end = self.compared(source)
        if self._found is None or self._found.earlier is None or self._found.earlier_ids is None:
            return {}
        rows = self._found.earlier[first:end]
        places = np.flatnonzero(rows != NONE)
        return dict(zip(places.tolist(), self._found.earlier_ids.of(rows[places]), strict=True))

    def of_rows(self, pack: Pack) -> NDArray[np.int64]:
        """Return for each row of a pack its place among the compared pages of its source."""
        if not dedup_first(self.recipe):
            return np.arange(pack.totals.kept)
        with pack.parquet("verdicts").open() as file:
            reasons = file.read(columns=["reason"], use_threads=False)["reason"]
        return np.flatnonzero(np.asarray(pc.equal(reasons, KEPT)))

    def compared_ids(self, source: int) -> pa.Array:
        """Return the record ids of the compared pages of a source."""
        with self.ledger.pack(source).parquet("verdicts" if dedup_first(self.recipe) else "rows").open() as file:
            return file.read(columns=["id"], use_threads=False)["id"].combine_chunks()
