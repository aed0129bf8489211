"""The column with the size of a row's cluster of duplicates: the one value of a row that its WARC record does not give.

The row's hash covers it, and the verdicts prove it: they name, for each duplicate, the page that was kept instead.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from finest.recipe.stages.dedup import CLUSTER_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def sizes_of(dataset: Dataset, stated: Mapping[str, int | None]) -> dict[str, int | None]:
    """Return the number of pages in the cluster of each kept page by its record id; reads one column of all verdicts.

    `stated` has the sizes that their rows state. None where another size was found and several pages share the id:
    verdicts name the page that was kept only by its id, so nothing follows.
    """
    wanted = pa.array(stated, pa.string())
    lost = _occurrences(dataset, "duplicate_of", wanted)
    sizes: dict[str, int | None] = {id: 1 + lost[id] for id in stated}
    others = [id for id, size in sizes.items() if size != stated[id]]
    if others:
        pages = _occurrences(dataset, "id", pa.array(others, pa.string()))
        sizes |= {id: None for id in others if pages[id] != 1}
    return sizes


def _occurrences(dataset: Dataset, column: str, wanted: pa.Array) -> Counter[str]:
    """Count how often each of these ids occurs in a column of the verdicts."""
    found: Counter[str] = Counter()
    for file in dataset.manifest.verdicts:
        ids = dataset.verdict_columns(column, files=[file])[column]
        found.update(ids.filter(pc.is_in(ids, value_set=wanted)).to_pylist())
    return found
