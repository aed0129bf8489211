"""A WARC cut into slices, and a slice read record by record with every loss counted.

A slice owns the records whose gzip member begins in [start, end). It finds the first one by itself, so slices can be read by
anybody in any order; read as they should be, they chain: each ends (`next_offset`) where the next one begins
(`first_offset`). Where they do not, the file holds bytes that look like a member and are none, and the later slice is to be
read again with `exact_start`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from finest.refine.cutter import Cut, Cutter, cut_one
from finest.refine.loss import LOSS_REASONS, Loss
from finest.refine.members import Member, Members
from finest.refine.openers import opener_for
from finest.refine.stream import OnRetry, ResumableStream, RetryPolicy
from finest.refine.tape import Tape
from finest.refine.warc_record import Entry, Record, read_entry, with_languages
from finest.refine.whole import pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from finest.refine.source import Source

__all__ = ["LOSS_REASONS", "Layout", "Loss", "Record", "Slice", "SliceReader", "plan_slices", "read_slice"]


class Layout(Enum):
    """How a file is compressed, and so whether it can be cut."""

    MEMBERS = "members"
    """One gzip member per record, as Common Crawl does: can be entered at any member."""
    WHOLE = "whole"
    """One gzip member, no compression, Zstandard or LZ4: one slice."""


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
    count = max(1, (size + slice_bytes // 2) // slice_bytes)
    starts = [i * slice_bytes for i in range(count)]
    return [Slice(source_index, i, start, end) for i, (start, end) in enumerate(zip(starts, [*starts[1:], size], strict=True))]


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

    `exact_start` is where its first record is known to begin. A record beyond `max_record_bytes` decompressed is lost, and
    costs no memory. Iterating raises SourceError when the source cannot be read or has changed.
    """
    start = slice_.start if exact_start is None else exact_start
    stream = ResumableStream(
        opener_for(source.location),
        position=start,
        etag=source.etag,
        size_bytes=source.size_bytes,
        policy=policy,
        on_retry=on_retry,
    )
    return SliceReader(stream, source, slice_, exact_start, limit, max_record_bytes)


class SliceReader:
    """Iterate once for the records; afterwards the other attributes say what was read."""

    def __init__(
        self,
        stream: ResumableStream,
        source: Source,
        slice_: Slice,
        exact_start: int | None,
        limit: int | None,
        max_record_bytes: int,
    ) -> None:
        self.first_offset = slice_.start if exact_start is None else exact_start
        """Where the slice's first member begins."""
        self.next_offset = self.first_offset
        """Where the next slice's first member begins, or the file ends."""
        self.losses: list[Loss] = []
        self.records: Counter[str] = Counter()
        """Records read, by WARC-Type."""
        self.sha256 = ""
        """Digest of the file's bytes [first_offset, next_offset), in hex."""
        self._stream, self._source, self._slice = stream, source, slice_
        self._synced = slice_.start == 0 or exact_start is not None
        self._limit, self._max_bytes = limit, max_record_bytes
        self._tape = Tape(stream, self.first_offset)
        self._members = Members(self._tape, max_record_bytes)

    def __iter__(self) -> Iterator[Record]:
        cuttable = self._source.layout is Layout.MEMBERS
        entries = self._member_entries() if cuttable else self._whole_entries()
        try:
            yield from self._with_languages(entries)
        finally:
            self._stream.close()

    def _with_languages(self, entries: Iterator[Entry]) -> Iterator[Record]:
        """The page records, each completed by the record that follows it."""
        held: Record | None = None
        found = 0
        for entry in entries:
            if held is not None:
                yield with_languages(held, entry)
            held = entry.record
            found += held is not None
            if self._limit is not None and found == self._limit:
                break
        following = self._entry_after()
        if held is not None:
            yield held if following is None else with_languages(held, following)

    # -- one member per record

    def _member_entries(self) -> Iterator[Entry]:
        tape, members = self._tape, self._members
        if not self._synced:
            members.seek()
            tape.restart_digest()
            self.first_offset = tape.offset
        while tape.offset < self._slice.end and not members.at_end():
            member = members.read()
            if member is not None:
                yield from self._counted(self._cuts(member))

    def _cuts(self, member: Member) -> Iterable[Cut | Loss]:
        """The records of a member: one, or however many a careless tool put there, all at the member's offset."""
        one = cut_one(*member)
        if one is not None:
            return (one,)
        cutter = Cutter(iter([member.data]), self._max_bytes)
        return (item._replace(offset=member.offset, length=member.length) if isinstance(item, Cut) else
                Loss(item.reason, member.offset, member.length, item.detail) for item in cutter)  # fmt: skip

    # -- all else

    def _whole_entries(self) -> Iterator[Entry]:
        yield from self._counted(Cutter(pieces(self._tape), self._max_bytes))

    def _counted(self, cuts: Iterable[Cut | Loss]) -> Iterator[Entry]:
        for cut in cuts:
            entry = read_entry(cut, self._max_bytes) if isinstance(cut, Cut) else cut
            if isinstance(entry, Loss):
                self.losses.append(entry)
            else:
                self.records[entry.type] += 1
                yield entry

    # -- the end

    def _entry_after(self) -> Entry | None:
        """Settle where the slice ends, then read on to the next record, which is the next slice's."""
        if self._source.layout is Layout.WHOLE:
            return self._finish_whole()
        if not self._limited():
            self._members.skip_gap()
        self.losses += self._members.losses
        self.losses.sort(key=lambda loss: loss.offset)
        self.next_offset, self.sha256 = self._tape.offset, self._tape.sha256()
        while not self._members.at_end():
            member = self._members.read()
            for cut in () if member is None else self._cuts(member):
                entry = read_entry(cut, self._max_bytes) if isinstance(cut, Cut) else cut
                if isinstance(entry, Entry):
                    return entry
        return None

    def _finish_whole(self) -> Entry | None:
        ...
