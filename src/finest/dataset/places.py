"""Finds the rows and verdicts that belong to a WARC record.

A record id is not enough: careless writers give several records the same one, and joined files hold a record twice.
Neither are source, offset and id always: records that share a gzip member share its offset too. So a place may hold
several rows or verdicts, in the order of the records. What makes a row unique is its hash.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class Place(NamedTuple):
    """Where records lie."""

    source: str
    """The WARC's name, as rows give it in `file_path`."""
    offset: int
    """Where the record's gzip member begins."""
    id: str
    """WARC-Record-ID."""


def numbers_where(mask: pa.ChunkedArray) -> pa.UInt64Array:
    """The numbers of the rows for which the mask is true; pyarrow 25 ends the process on a mask without a chunk."""
    return pc.indices_nonzero(mask.combine_chunks())


class Places:
    """All rows, or all verdicts, of a dataset by their places."""

    def __init__(self, table: pa.Table, offset: str) -> None:
        """`table` has the columns `file_path`, `id` and the one that is called `offset`."""
        self._table = table.select(["file_path", offset, "id"])

    def find(self, wanted: Collection[Place]) -> dict[Place, list[int]]:
        """The numbers, ascending, of what stands at each place; an empty list where there is nothing."""
        found: dict[Place, list[int]] = {place: [] for place in wanted}
        offsets = pa.array(sorted({place.offset for place in found}), pa.int64())
        ids = pa.array(sorted({place.id for place in found}), pa.string())
        hit = pc.and_(pc.is_in(self._table[1], value_set=offsets), pc.is_in(self._table[2], value_set=ids))
        numbers = numbers_where(hit)
        columns = (column.to_pylist() for column in self._table.take(numbers).columns)
        for number, *place in zip(numbers.to_pylist(), *columns, strict=True):
            if (at := Place(*place)) in found:
                found[at].append(number)
        return found

    def with_id(self, id: str, most: int) -> list[int]:
        """The numbers, ascending, of the first `most` that have this record id."""
        numbers: list[int] = numbers_where(pc.equal(self._table["id"], id))[:most].to_pylist()
        return numbers
