"""Find the rows and verdicts that belong to a WARC record.

A record id is not enough: careless writers give several records the same id, and concatenated files hold a record
twice. Source, offset and id are not always enough either, because records in one gzip member share its offset. So a
place may hold several rows or verdicts, in the order of the records. A row's hash identifies it uniquely.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class Place(NamedTuple):
    """The position of one or more records: source, offset and record id."""

    source: str
    """The WARC's name, as rows give it in `file_path`."""
    offset: int
    """Offset of the record's gzip member."""
    id: str
    """The WARC-Record-ID."""


def numbers_where(mask: pa.ChunkedArray) -> pa.UInt64Array:
    """Return the indices where the mask is true; pyarrow 25 ends the process on a mask without chunks."""
    return pc.indices_nonzero(mask.combine_chunks())


class Places:
    """All rows or all verdicts of a dataset, indexed by place."""

    def __init__(self, table: pa.Table, offset: str) -> None:
        """Take a table with the columns `file_path`, `id` and the one that `offset` names."""
        self._table = table.select(["file_path", offset, "id"])

    def find(self, wanted: Collection[Place]) -> dict[Place, list[int]]:
        """Return the ascending indices of the entries at each place; an empty list if a place has no entries."""
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
        """Return the ascending indices of the first `most` entries with this record id."""
        numbers: list[int] = numbers_where(pc.equal(self._table["id"], id))[:most].to_pylist()
        return numbers
