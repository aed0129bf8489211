"""A WARC cut into slices, and a slice read record by record with every loss counted.

A slice owns the records whose gzip member begins in [start, end). It finds the first one by itself, so slices can be
read by anybody in any order; read as they should be, they chain: each ends (`next_offset`) where the next one begins
(`first_offset`). Where they do not, the file holds bytes that look like a member and are none, and the later slice is
to be read again with `exact_start`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.warc.cutter import Cut, Cutter, cut_one
from finest.warc.layout import Layout
from finest.warc.loss import LOSS_REASONS, Loss
from finest.warc.members import Member, Members
from finest.warc.openers import opener_for
from finest.warc.record import Entry, Record, read_entry, with_languages
from finest.warc.stream import OnRetry, ResumableStream, RetryPolicy
from finest.warc.tape import Tape
from finest.warc.whole import pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from finest.warc.source import Source

__all__ = ["LOSS_REASONS", "Layout", "Loss", "Record", "Slice", "SliceReader", "plan_slices", "read_slice"]


@dataclass(frozen=True, slots=True)
class Slice:
    """A byte range of one source."""

    source_index: int
    index: int
    start: int
    end: int


def plan_slices(source: Source, source_index: int, slice_bytes: int) -> list[Slice]:
    """Cut the source into slices of `slice_bytes` compressed bytes (the last one may be up to half as much longer)."""
    size = source.size_bytes
    if source.layout is Layout.WHOLE or size < slice_bytes * 3 // 2:
        return [Slice(source_index, 0, 0, size)]
    count = (size + slice_bytes // 2) // slice_bytes
    bounds = [i * slice_bytes for i in range(count)] + [size]
    return [Slice(source_index, i, bounds[i], bounds[i + 1]) for i in range(count)]


def read_slice(
    source: Source,
    slice_: Slice,
    *,
    exact_start: int | None = None,
    limit: int | None = None,
    max_record_bytes: int,
    policy: RetryPolicy | None = None,
    on_retry: OnRetry | None = None,
) -> SliceReader:
    """Read the response and conversion records of a slice, `limit` of them at the most.

    `exact_start` is where its first record is known to begin. A record beyond `max_record_bytes` decompressed is
    lost, and costs no memory. Iterating raises SourceError when the source cannot be read or has changed.
    """
    start = slice_.start if exact_start is None else exact_start
    stream = ResumableStream(
        opener_for(source.readable_location()),
        position=start,
        etag=source.etag,
        size_bytes=source.size_bytes,
        policy=policy,
        on_retry=on_retry,
    )
    synced = start == 0 or exact_start is not None
    return SliceReader(stream, source, slice_, synced=synced, limit=limit, max_record_bytes=max_record_bytes)


class SliceReader:
    """Iterate once for the records; afterwards the other attributes say what was read."""

    def __init__(
        self,
        stream: ResumableStream,
        source: Source,
        slice_: Slice,
        *,
        synced: bool,
        limit: int | None,
        max_record_bytes: int,
    ) -> None:
        self.first_offset = stream.position
        """Where the slice's first member begins."""
        self.next_offset = self.first_offset
        """Where the next slice's first member begins, or the file ends."""
        self.losses: list[Loss] = []
        self.records: Counter[str] = Counter()
        """Records read, by WARC-Type."""
        self.sha256 = ""
        """Digest of the file's bytes [first_offset, next_offset), in hex."""
        self._stream, self._source, self._slice = stream, source, slice_
        self._synced = synced
        self._limit, self._limit_reached, self._max_bytes = limit, False, max_record_bytes
        self._tape = Tape(stream, self.first_offset)
        self._members = Members(self._tape, max_record_bytes, self.losses)

    def __iter__(self) -> Iterator[Record]:
        """The records in the file's order, each completed by the record that follows it."""
        try:
            if self._source.layout is Layout.MEMBERS:
                yield from self._of_members()
            else:
                yield from self._of_whole()
        finally:
            self._stream.close()

    def _of_members(self) -> Iterator[Record]:
        if not self._synced:
            self._members.seek()
            self._tape.restart_digest()
            self.first_offset = self._tape.offset
        held = yield from self._completed(self._counted(self._owned_cuts()))
        if not self._limit_reached:
            self._members.skip_gap()
        self._settle()
        self._members.losses = []  # what comes now belongs to the next slice, which counts it
        if held is not None:
            yield with_languages(held, next(self._entries(self._following_cuts(), []), None))

    def _owned_cuts(self) -> Iterator[Cut | Loss]:
        while self._tape.offset < self._slice.end and not self._members.at_end():
            yield from self._next_cuts()

    def _following_cuts(self) -> Iterator[Cut | Loss]:
        while not self._members.at_end():
            yield from self._next_cuts()

    def _next_cuts(self) -> Iterable[Cut | Loss]:
        """The records of the next member: one, or however many a careless tool put there, all at its offset."""
        member = self._members.read()
        if member is None:
            return ()
        one = cut_one(*member)
        return (one,) if one is not None else _cut_many(member, self._max_bytes)

    def _of_whole(self) -> Iterator[Record]:
        entries = self._counted(Cutter(pieces(self._tape), self._max_bytes))
        held = yield from self._completed(entries)
        if self._limit_reached:
            self._settle()
            following = next(entries, None)
        else:
            following = None
            self._tape.drain()
            self._settle()
        if held is not None:
            yield with_languages(held, following)

    def _completed(self, entries: Iterator[Entry]) -> Generator[Record, None, Record | None]:
        """Yields the page records but for the last one, which it returns: what follows that one is still to be read."""
        held: Record | None = None
        found = 0
        for entry in entries:
            if held is not None:
                yield with_languages(held, entry)
            held = entry.record
            found += held is not None
            if self._limit is not None and found >= self._limit:
                self._limit_reached = True
                break
        return held

    def _counted(self, cuts: Iterable[Cut | Loss]) -> Iterator[Entry]:
        for entry in self._entries(cuts, self.losses):
            self.records[entry.type] += 1
            yield entry

    def _entries(self, cuts: Iterable[Cut | Loss], losses: list[Loss]) -> Iterator[Entry]:
        for cut in cuts:
            entry = cut if isinstance(cut, Loss) else read_entry(cut, self._max_bytes)
            if isinstance(entry, Loss):
                losses.append(entry)
            else:
                yield entry

    def _settle(self) -> None:
        self.next_offset, self.sha256 = self._tape.offset, self._tape.sha256()


def _cut_many(member: Member, max_bytes: int) -> Iterator[Cut | Loss]:
    for item in Cutter(iter([member.data]), max_bytes):
        if isinstance(item, Loss):
            yield Loss(item.reason, member.offset, member.length, item.detail)
        else:
            yield item._replace(offset=member.offset, length=member.length)
