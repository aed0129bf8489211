"""Cut a WARC into slices, and read a slice record by record with every loss counted.

A slice owns the records from the first gzip member in [start, end) that begins with a record, up to the first such
member of the next slice. The reader of a slice finds both positions by itself, so any process can read any slice in
any order. Slices that were read correctly chain: each ends (`next_offset`) where the next one begins (`first_offset`).
If they do not, the file holds bytes that only look like such a member, or records that span several members, and the
later slice must be read again with `exact_start`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.warc.cut import Cut
from finest.warc.cutter import Cutter
from finest.warc.frames import Frames
from finest.warc.layout import Layout
from finest.warc.loss import LOSS_REASONS, Loss
from finest.warc.places import opener_for
from finest.warc.record import PAGE_TYPES, Entry, Record, read_entry, with_languages
from finest.warc.stream import MORE_BYTES, OnRetry, ResumableStream, RetryPolicy
from finest.warc.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator

    from finest.warc.pauses import Pauses
    from finest.warc.source import Source

__all__ = ["LOSS_REASONS", "Layout", "Loss", "Record", "Slice", "SliceReader", "plan_slices", "read_slice"]


SEEK_BYTES = 64 << 20
"""Bytes of a slice that are searched for its first record; slices are smaller."""
SEEK_AFTER_BYTES = 8 << 20
"""Bytes after a slice's end that are searched for the next slice's first record. A member that extends further breaks
the chain, so the slices are read again."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A byte range of one source."""

    source_index: int
    index: int
    start: int
    end: int


def plan_slices(source: Source, source_index: int, slice_bytes: int) -> list[Slice]:
    """Cut the source into slices of `slice_bytes` compressed bytes (the last one may be up to half as long again)."""
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
    page_types: Collection[str] = PAGE_TYPES,
    until: int | None = None,
    before: SliceReader | None = None,
    policy: RetryPolicy | None = None,
    on_retry: OnRetry | None = None,
    pauses: Pauses | None = None,
    more_bytes: int = MORE_BYTES,
) -> SliceReader:
    """Read the records of a slice whose WARC-Type is among `page_types`, at most `limit` of them.

    `exact_start` is the known offset of its first record. A record that decompresses to more than `max_record_bytes`
    is lost and takes no memory. Iterating raises SourceError if the source cannot be read or has changed. `pauses`
    holds the pauses that the slice shares with others; each request asks for `more_bytes` past the slice's end.

    `until` is the end of the last slice that the caller reads one after the other, by default of this one. Each of them
    gets the reader of the one before, which was read to its end, as `before`: they share one request, and a slice
    begins where the one before ended. The last reader must be closed if the caller stops early.
    """
    if before is not None and (handed := before.hand_on(source, slice_, exact_start)) is not None:
        stream, tape = handed
        return SliceReader(
            stream, source, slice_, synced=True, limit=limit, max_record_bytes=max_record_bytes, page_types=page_types,
            keeps_open=until is not None and until > slice_.end, tape=tape,
        )  # fmt: skip
    start = slice_.start if exact_start is None else exact_start
    stream = ResumableStream(
        opener_for(source.readable_location()),
        position=start,
        etag=source.etag,
        size_bytes=source.size_bytes,
        until=_expected_end(source, slice_, start, limit, until),
        policy=policy,
        on_retry=on_retry,
        pauses=pauses,
        more_bytes=more_bytes,
    )
    synced = start == 0 or exact_start is not None
    return SliceReader(
        stream, source, slice_, synced=synced, limit=limit, max_record_bytes=max_record_bytes, page_types=page_types,
        keeps_open=until is not None and until > slice_.end,
    )  # fmt: skip


def _expected_end(source: Source, slice_: Slice, start: int, limit: int | None, until: int | None) -> int | None:
    """Return where reading is expected to stop; None for the end of the file."""
    if limit is not None:
        return start
    return max(slice_.end, until or 0) if source.layout is Layout.MEMBERS else None


class SliceReader:
    """Iterate over it once for the records; after that, its attributes describe what was read."""

    def __init__(
        self,
        stream: ResumableStream,
        source: Source,
        slice_: Slice,
        *,
        synced: bool,
        limit: int | None,
        max_record_bytes: int,
        page_types: Collection[str],
        keeps_open: bool = False,
        tape: Tape | None = None,
    ) -> None:
        """`keeps_open` leaves the stream open at the end, for `hand_on`; `tape` is what a reader handed on."""
        self.first_offset = stream.position if tape is None else tape.offset
        """Offset of the slice's first member."""
        self.next_offset = self.first_offset
        """Offset of the next slice's first member, or the end of the file."""
        self.losses: list[Loss] = []
        self.lost_bytes = 0
        """Approximate number of bytes of the file that gave no record."""
        self.records: Counter[str] = Counter()
        """Number of records read, by WARC-Type."""
        self.sha256 = ""
        """The sha256 of the file's bytes [first_offset, next_offset), in hex."""
        self._stream, self._source, self._slice = stream, source, slice_
        self._synced = synced
        self._limit, self._limit_reached, self._max_bytes = limit, False, max_record_bytes
        self._page_types = page_types
        self._keeps_open, self._is_over = keeps_open, False
        self._tape = tape or Tape(stream, self.first_offset)
        self._frames = Frames(self._tape, max_record_bytes)

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the file's order, each with the languages from the record that follows it."""
        try:
            yield from self._read()
            self._is_over = True
        finally:
            if not (self._is_over and self._keeps_open):
                self._stream.close()

    def hand_on(self, source: Source, slice_: Slice, exact_start: int | None) -> tuple[ResumableStream, Tape] | None:
        """Return the open stream and its tape, at this slice's end, if that slice begins there; else close the stream.

        `exact_start` is as in `read_slice`.
        """
        follows = source == self._source and slice_.start == self._slice.end
        as_asked = exact_start in (None, self.next_offset)
        if follows and as_asked and self._is_over and self._keeps_open and self._tape.back_to(self.next_offset):
            return self._stream, self._tape
        self._stream.close()
        return None

    def close(self) -> None:
        """Close the stream if it is open."""
        self._stream.close()

    def _read(self) -> Iterator[Record]:
        in_file = self._source.layout is Layout.MEMBERS
        end = self._slice.end if in_file else None
        if not self._synced:
            self._find_start()
        cutter = Cutter(self._frames, self._max_bytes, in_file=in_file)
        entries = self._counted(cutter.until(end))
        held = yield from self._completed(entries)
        self._settle()
        self.lost_bytes = cutter.lost_bytes
        if held is None:
            return
        self.losses, kept = [], self.losses  # losses from here on belong to the next slice, which counts them
        following = next(entries if self._limit_reached else self._entries(cutter.until(), []), None)
        self.losses = kept
        yield with_languages(held, following)

    def _find_start(self) -> None:
        """Move to the first record that begins in the slice, or a little after it."""
        self._frames.seek_member(min(self._slice.end, self._slice.start + SEEK_BYTES) + SEEK_AFTER_BYTES)
        self._tape.restart_digest()
        self.first_offset = self.next_offset = self._tape.offset

    def _completed(self, entries: Iterator[Entry]) -> Generator[Record, None, Record | None]:
        """Yield the page records except the last one; return that one, because the record after it is not read yet."""
        held: Record | None = None
        found = 0
        for entry in entries:
            if held is not None:
                yield with_languages(held, entry)
            held = entry.record if entry.type in self._page_types else None
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
            entry = cut if isinstance(cut, Loss) else read_entry(cut)
            if isinstance(entry, Loss):
                losses.append(entry)
            else:
                yield entry

    def _settle(self) -> None:
        self._tape.release()
        self.next_offset, self.sha256 = self._tape.offset, self._tape.sha256()
        if self._keeps_open:
            self._tape.keep()
