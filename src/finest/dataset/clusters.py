"""The column with the size of a row's cluster of duplicates: the one value of a row that its WARC record does not give.

The row's hash covers it, and the verdicts prove it: they name, for each duplicate, the page that was kept instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from finest.recipe.stages.dedup import CLUSTER_SIZE

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.dataset.rows import Row

NAME = CLUSTER_SIZE.name


def has_sizes(dataset: Dataset) -> bool:
    """Return whether the dataset's rows have the column."""
    return any(column.name == NAME for column in dataset.manifest.columns)


def size_in(row: Row) -> int | None:
    """Return the row's cluster size; None if it has no such column."""
    found = dict(row.columns).get(NAME)
    return found if isinstance(found, int) else None


def with_size(row: Row, size: int | None) -> Row:
    """Return a row that was made from its record with a stated cluster size in place of 1; None changes nothing."""
    if size is None or size_in(row) is None:
        return row
    return replace(row, columns=tuple((name, size if name == NAME else value) for name, value in row.columns))


class ClusterSizes:
    """The sizes of clusters by the verdicts of a dataset; reads one column once."""

    def __init__(self, dataset: Dataset) -> None:
        self._places = dataset.verdict_places
        self._lost = dataset.verdict_columns("duplicate_of")["duplicate_of"]

    def of(self, id: str) -> int | None:
        """Return the number of pages in the cluster of the kept page with that record id.

        None if several pages share the id, because verdicts name the page that was kept only by its id.
        """
        if len(self._places.with_id(id, 2)) != 1:
            return None
        return 1 + int(pc.sum(pc.equal(self._lost, id)).as_py() or 0)
