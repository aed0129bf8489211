"""Cut the decompressed stream of a file into records by Content-Length, and resynchronize where that is wrong.

A record whose Content-Length is wrong ends where the next one begins if nothing is damaged before that. In a file
without checksums, this holds only for a length that is too small, as of tools that count characters.

Where a record begins exactly at the start of a frame, one reader can stop and another can start: the records found
from there on do not depend on the bytes before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from finest.warc.cut import HEADER_LIMIT_BYTES, MAGIC_BYTES, MAGICS, Cut, content_length, cut_one, head_end
from finest.warc.held import Held
from finest.warc.loss import Damage, Loss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.warc.frames import Frames

BOMB_FACTOR = 20
"""The cutter abandons a frame once it has decompressed this many times the record limit without finding a record."""

_NEXT_RECORD = re.compile(rb"\n(?:WARC|warc)/\d")
_NEXT_RECORD_BYTES = 7
_RECORD_ENDS = (b"\r\n\r\n", b"\n\n")


class Cutter(Held):
    """Yield the records of a file from the tape's offset on, and the losses between them, in the file's order.

    `in_file` chooses the offsets of records: the frame of the file that a record begins in (True), or the position in
    the decompressed stream where it begins (False).
    """

    def __init__(self, frames: Frames, max_bytes: int, *, in_file: bool) -> None:
        super().__init__(frames)
        self.lost_bytes = 0
        """Bytes of the file that gave no record, without padding. A frame that gave some records counts in proportion
        to its lost content."""
        self._max_bytes = max_bytes
        self._in_file = in_file

    def until(self, end: int | None = None) -> Iterator[Cut | Loss]:
        """Read up to the first gzip member at `end` or later at which a reader can start, or to the end of the file.

        The tape stays there, and another call continues from it.
        """
        while True:
            frame = self._frame_here() if self._spans or self._break is not None else self._next_frame()
            if frame is not None and end is not None and frame >= end and self._can_begin(frame):
                self._stay(frame)
                return
            if self._held:
                found = self._in_held()
            elif self._break is not None:
                found = self._mend(self._break)
            elif frame is not None and (cut := self._next_member(frame)) is not None:
                found = cut
            elif not self._held and not self._more() and self._break is None:
                self._tape.release()
                return
            else:
                continue
            if found is not None:
                yield found

    def _in_held(self) -> Cut | Loss | None:
        """Return the record or loss that `held` begins with; None if the call only skipped bytes."""
        if self._skip_padding():
            return None
        if self._spans[0].piece.plain and self._leaves_plain(0):
            self._leave_plain()
            return None
        return self._next()

    def _next_member(self, frame: int) -> Cut | None:
        """Return the record if it fills the next gzip member; otherwise append the content of a sound member to `held`
        and return None.
        """
        data = self._frames.whole_member()
        if data is None:
            return None
        upto = self._tape.offset
        cut = cut_one(frame, upto - frame, data)
        if cut is None:
            self._take(self._frames.piece_of(data, frame))
            return None
        self._tape.release()
        if not self._in_file:
            cut = cut._replace(offset=self._at, length=cut.end)
        self._at += len(data)
        self._passed = upto
        return cut

    def _next(self) -> Cut | Loss | None:
        self._fill(MAGIC_BYTES)
        if not self._held.startswith(MAGICS):
            whole = self._frame_here() is not None
            return self._resync("not_warc_member" if whole else "stream_gap", "no WARC record begins here")
        head_bytes = self._head()
        if head_bytes is None:
            cut_off = len(self._held) < HEADER_LIMIT_BYTES
            return self._resync("record_truncated" if cut_off else "record_unreadable", "the WARC header does not end")
        size = content_length(self._held[:head_bytes])
        if size is None:
            return self._resync("record_unreadable", "no Content-Length, or none that is a number")
        end = head_bytes + size
        if end > self._max_bytes:
            return self._too_large(end, f"Content-Length {size}")
        there = self._fill(end)
        if there and (follows := self._what_follows(end)) is not None:
            return self._cut(head_bytes, end, follows)
        if there and self._break is None and self._held.startswith(_RECORD_ENDS, end):
            return self._cut(head_bytes, end, end)  # what follows it is damaged
        least = end if self._spans[0].piece.plain else head_bytes  # a length too large may be a hole in the file
        if (there or least < end) and (record := self._next_record(head_bytes)) is not None and record >= least:
            return self._cut(head_bytes, max(head_bytes, len(self._held[:record].rstrip(b"\r\n"))), record)
        where = "no record follows where it leads" if there else "it goes beyond what there is"
        return self._resync("record_truncated", f"Content-Length {size}: {where}")

    def _cut(self, head_bytes: int, end: int, follows: int) -> Cut:
        """Take the record that ends at `end` of `held`; the next one begins at `follows`."""
        cut = Cut(*self._place(end, follows), bytes(self._held[:end]), head_bytes, end, self._is_alone(follows))
        self._drop(end)
        return cut

    def _next_record(self, start: int) -> int | None:
        """Return where in `held`, from `start` on, the record after one of wrong length begins, or where the file ends.

        Return None if what is before it may be damaged, or is larger than a record may be.
        """
        record = self._record_in_held(self._at)
        while self._break is None and len(self._held) <= self._max_bytes:
            found = _NEXT_RECORD.search(self._held, start - 1)
            if found is not None and (record is None or found.start() + 1 < record):
                record = found.start() + 1
            start, pieces = max(start, len(self._held) - _NEXT_RECORD_BYTES), len(self._spans)
            if record is None and not self._more():
                record = len(self._held)
            if record is not None:
                is_whole = self._spans[0].piece.plain or self._sound >= self._at + record
                return record if is_whole and self._break is None else None
            last = self._spans[-1]
            if len(self._spans) > pieces and last.piece.opens and self._record_at(last.start - self._at):
                record = last.start - self._at
        return None

    def _head(self) -> int | None:
        head_bytes = head_end(self._held)
        while head_bytes is None and len(self._held) < HEADER_LIMIT_BYTES and self._more():
            head_bytes = head_end(self._held)
        return head_bytes

    def _place(self, end: int, follows: int) -> tuple[int, int]:
        """Return offset and length of the record that ends at `end` of `held`; the next one begins at `follows`."""
        first = self._spans[0]
        if first.piece.plain or not self._in_file:
            return (self._in_plain() if self._in_file else self._at), end
        last = next(span for span in reversed(self._spans) if span.start < self._at + follows)
        return first.piece.frame, last.piece.upto - first.piece.frame

    def _is_alone(self, follows: int) -> bool:
        """Whether the record, with the padding up to `follows`, fills a whole compressed frame."""
        last = next(span for span in reversed(self._spans) if span.start < self._at + follows)
        return self._frame_here() == last.piece.frame and self._frame_begins(self._at + follows)

    def _what_follows(self, end: int) -> int | None:
        """Return where in `held` the padding after a record ends; None unless a record, a frame or the end of the file
        follows it.
        """
        at = end
        while not self._frame_begins(self._at + at):
            if len(self._held) <= at:
                if not self._more():
                    return at if self._break is None else None
            elif (after := self._padding_end(at)) > at:
                at = after
            else:
                known = self._fill(at + MAGIC_BYTES) or self._break is None
                size = MAGIC_BYTES if known else len(self._held) - at  # damage hides the rest of it
                begins = self._held.startswith(tuple(magic[:size] for magic in MAGICS), at)
                return at if begins or self._leaves_plain(at) else None
        return at

    # -- losses

    def _too_large(self, end: int, detail: str) -> Loss | None:
        """Skip a record beyond the limit: by its length if that is plausible, else to the next record found."""
        if self._frame_here() is None or end > self._max_bytes * BOMB_FACTOR:
            return self._resync("record_too_large", detail)
        begin = start, _, _ = self._at, self._spans[0].piece.since, self.lost_bytes
        while self._at < start + end:
            if not self._held and not self._more():
                break
            record = self._record_in_held(start)
            self._lose(min(start + end - self._at, len(self._held) if record is None else record))
            if record == 0:
                break
        while not self._frame_begins(self._at):
            if not (self._skip_padding(lost=True) if self._held else self._more()):
                break
        return self._lost("record_too_large", detail, begin)

    def _resync(self, reason: str, detail: str) -> Loss | None:
        """Drop, as lost, all bytes up to the next line or frame that begins a record.

        Return None if the loss is part of a damage that counts it.
        """
        if self._spans[0].piece.plain:
            return self._resync_plain(reason, detail)
        begin = start, _, _ = self._at, self._spans[0].piece.since, self.lost_bytes
        while True:
            record = self._record_in_held(start)
            found = _NEXT_RECORD.search(self._held)
            if found is not None and (record is None or found.start() + 1 < record):
                record = found.start() + 1
            if record is not None:
                self._lose(record)
                return self._lost(reason, detail, begin)
            if self._at - start > self._max_bytes * BOMB_FACTOR:
                self._break = self._frames.abandon(f"given up after {self._at - start} decompressed bytes")
            self._lose(len(self._held) - min(len(self._held), _NEXT_RECORD_BYTES - 1))
            if not self._more():
                self._lose(len(self._held))
                return self._lost(reason, detail, begin)

    def _lost(self, reason: str, detail: str, begin: tuple[int, int, int]) -> Loss | None:
        """Return the bytes dropped since `begin` as a loss; None if they belong to a damage that counts them."""
        start, since, lost_bytes = begin
        if self._break is not None and self._break.begun and not self._held:
            self._break.since, self.lost_bytes = since, lost_bytes
            return None
        if not self._in_file:
            return Loss(reason, start, self._at - start, detail)
        first = self._spans[0] if self._spans else None
        upto = first.piece.upto if first is not None and first.start < self._at else self._passed
        return Loss(reason, since, upto - since, detail)

    def _resync_plain(self, reason: str, detail: str) -> Loss | None:
        damage = Damage(reason, detail)
        damage.frame = damage.since = self._in_plain()
        damage.plain = True
        self._leave_plain()
        return self._mend(damage)

    def _mend(self, damage: Damage) -> Loss | None:
        """Move past damage and return it as a loss; None if no bytes are lost."""
        self._break = None
        self._frames.recover(damage)
        if not damage.reason:
            return None
        length = self._tape.offset - damage.since
        self.lost_bytes += 0 if damage.reason == "stream_gap" and self._frames.passed_padding else length
        offset = damage.since
        if damage.plain and not self._in_file:
            offset, self._at = self._at, self._at + length
        return Loss(damage.reason, offset, length, damage.detail)

    def _skip_padding(self, *, lost: bool = False) -> bool:
        """Drop padding, at most up to the start of the next frame; return False if there is none."""
        blank = self._padding_end(0)
        if blank:
            self._lose(blank) if lost else self._drop(blank)
        return blank > 0

    def _lose(self, size: int) -> None:
        """Drop bytes that gave no record, and count their share of the file as lost."""
        end = self._at + size
        for span in self._spans:
            share = max(0, min(end, span.end) - max(self._at, span.start)) / (span.end - span.start)
            self.lost_bytes += round(share * (span.piece.upto - span.piece.since))
        self._drop(size)
