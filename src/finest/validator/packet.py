"""The pages of a packet as an audit reads them: drawn by page, and read by the ranges of the WARCs that hold them.

The pages are those of the dataset's own verdicts, after their root was compared with that of the leased packet. So the
audit needs no list from the task server, and anybody can repeat it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from finest.errors import SourceError
from finest.pipeline.pages.slices import GroupSlices
from finest.pipeline.pages.table import PageTable
from finest.pipeline.steps import PAGE_MORE_BYTES
from finest.validator.seed import Draw
from finest.warc.slices import Slice, read_slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.validator.context import Warcs
    from finest.warc.record import Record
    from finest.warc.source import Source
    from finest.warc.stream import RetryPolicy


class PacketPages:
    """The pages of a packet, in the WARCs of an audit."""

    def __init__(self, pages: Sequence[tuple[str, int, int]], warcs: Warcs) -> None:
        """`pages` are source, offset and length of each; raises SourceError for a source that cannot be one."""
        self.names = tuple(dict.fromkeys(name for name, _, _ in pages))
        numbers = {name: number for number, name in enumerate(self.names)}
        self._table = PageTable.of((numbers[name], offset, length) for name, offset, length in pages)
        self._slices = GroupSlices(self._table.groups(), len(self.names))
        self._warcs = warcs
        warcs.add(self.names)

    @property
    def size_bytes(self) -> int:
        """Bytes of all pages."""
        return int(self._table.lines["length"].sum())

    def drawn(self, seed: str, count: int) -> Iterator[tuple[str, Slice]]:
        """Draw pages without replacement; yield the source of each, and the range from it to the end of its group."""
        groups = self._table.groups()
        for number in Draw(seed, "windows").sample(len(self._table), count):
            line = self._table.lines[number]
            source, offset = int(line["source"]), int(line["offset"])
            end = next(int(end) for of, start, end in groups if of == source and start <= offset < end)
            yield self.names[source], Slice(source, 0, offset, end)

    def __len__(self) -> int:
        """Return the number of ranges that hold the pages."""
        return len(self._slices)

    def windows(self, seed: str) -> Iterator[tuple[Source, Slice]]:
        """Yield all ranges in the seed's order; a WARC is looked at when its first range comes. Raises SourceError."""
        order = list(self._slices)
        random.Random(f"finest-windows/1 {seed}").shuffle(order)
        for window in order:
            yield self._warcs.source(self.names[window.source_index]), window

    def bytes_in(self, window: Slice) -> int:
        """Return the bytes of the pages in a range."""
        return sum(self._table.lengths_of(window).values())

    def records(self, source: Source, window: Slice, max_record_bytes: int, policy: RetryPolicy) -> Iterator[Record]:
        """Yield the records of the pages in a range; raises SourceError if one is not there in the stated length."""
        lengths = self._table.lengths_of(window)
        reader = read_slice(
            source, window, exact_start=window.start, max_record_bytes=max_record_bytes, policy=policy,
            more_bytes=PAGE_MORE_BYTES,
        )  # fmt: skip
        missing = set(lengths)
        for record in reader:
            if record.offset in lengths:
                if record.length != lengths[record.offset]:
                    raise SourceError(f"{source.name}: the record at {record.offset} has {record.length} bytes")
                missing.discard(record.offset)
                yield record
        if missing:
            raise SourceError(f"{source.name}: no page begins at {min(missing)}")
