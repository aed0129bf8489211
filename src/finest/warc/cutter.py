"""Cut the decompressed stream of a file into records by Content-Length, and resynchronize where that is wrong.

Where a record begins exactly at the start of a frame, one reader can stop and another can start: the records found
from there on do not depend on the bytes before it.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from finest.warc.cut import HEADER_LIMIT_BYTES, MAGIC_BYTES, MAGICS, PADDING, Cut, content_length, cut_one, head_end
from finest.warc.loss import Damage, Loss
from finest.warc.members import PROBE_BYTES, begins_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.warc.frames import Frames, Piece

BOMB_FACTOR = 20
"""The cutter abandons a frame once it has decompressed this many times the record limit without finding a record."""

_PADDING = re.compile(rb"[" + PADDING + rb"]*")
_NEXT_RECORD = re.compile(rb"\n(?:WARC|warc)/\d")
_NEXT_RECORD_BYTES = 7


class _Span(NamedTuple):
    """The position of a piece in the decompressed stream and in the file."""

    start: int
    end: int
    piece: Piece
    """The piece, without its data."""


class Cutter:
    """Yield the records of a file from the tape's offset on, and the losses between them, in the file's order.

    `in_file` chooses the offsets of records: the frame of the file that a record begins in (True), or the position in
    the decompressed stream where it begins (False).
    """

    def __init__(self, frames: Frames, max_bytes: int, *, in_file: bool) -> None:
        self.lost_bytes = 0
        """Bytes of the file that gave no record, without padding. A frame that gave some records counts in proportion
        to its lost content."""
        self._frames, self._tape = frames, frames.tape
        self._max_bytes = max_bytes
        self._in_file = in_file
        self._held = bytearray()
        self._at = 0
        """Offset in the decompressed stream at which `held` begins."""
        self._spans: deque[_Span] = deque()
        """The pieces that make up `held`."""
        self._passed = 0
        """Offset in the file up to which it was read for the content before `held`."""
        self._sound = -1
        """Offset in the stream up to which all frames are known to be whole."""
        self._break: Damage | None = None
        """The damage that ends the stream after `held`, if any."""

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
        if not self._fill(end):
            return self._resync("record_truncated", f"Content-Length {size} goes beyond what there is")
        follows = self._what_follows(end)
        if follows is None:
            return self._resync("record_truncated", f"no record follows where Content-Length {size} leads")
        cut = Cut(*self._place(end, follows), bytes(self._held[:end]), head_bytes, end, self._is_alone(follows))
        self._drop(end)
        return cut

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

    def _frame_begins(self, at: int) -> bool:
        """Whether a frame begins at byte `at` of the stream, or the whole frame before it ends there."""
        return at == self._sound == self._at + len(self._held) or any(
            span.start == at and span.piece.opens for span in self._spans
        )

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

    def _record_in_held(self, start: int) -> int | None:
        """Return where in `held`, after `start` of the stream, a frame begins with a record; None if there is none."""
        number = 0
        while number < len(self._spans):  # the list grows as more is read
            span = self._spans[number]
            at = span.start - self._at
            if span.piece.opens and span.start > start and at >= 0 and self._record_at(at):
                return at
            number += 1
        return None

    def _record_at(self, at: int) -> bool:
        """Whether a record begins at byte `at` of `held`, possibly after padding."""
        while True:
            head = self._held[at : at + 64].lstrip(PADDING)
            begun = any(magic.startswith(head) for magic in MAGICS)
            if len(head) >= MAGIC_BYTES or not begun or len(self._held) >= at + 64:
                return head.startswith(MAGICS)
            if not self._more():
                return False

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

    # -- the stream

    def _frame_here(self) -> int | None:
        """Return the file offset of the frame that begins exactly here in the stream; None if no frame begins here."""
        if self._spans:
            first = self._spans[0]
            return first.piece.frame if first.piece.opens and first.start == self._at else None
        if self._break is not None:
            return None if self._break.begun else self._break.frame
        return self._next_frame()

    def _next_frame(self) -> int | None:
        return self._tape.offset if self._frames.at_start else None

    def _can_begin(self, frame: int) -> bool:
        """Whether a reader that starts at this frame finds a record there, as `seek_member` requires, or the end."""
        here = self._tape.offset
        self._tape.rewind(frame)
        block = self._tape.ahead(PROBE_BYTES)
        self._tape.advance(here - frame)
        return begins_record(block) or not block

    def _stay(self, frame: int) -> None:
        """Drop what was read ahead, so that reading continues at this frame."""
        self._tape.rewind(frame)
        self._tape.release()
        self._frames.reset()
        self._sound = -1
        self._held.clear()
        self._spans.clear()
        self._break = None

    def _fill(self, size: int) -> bool:
        while len(self._held) < size and self._more():
            pass
        return len(self._held) >= size

    def _more(self) -> bool:
        """Read another piece; return False at the end of the file and before damage."""
        if self._break is not None:
            return False
        piece = self._frames.next(at_record=not self._held)
        if isinstance(piece, Damage):
            self._break = piece
            return False
        if piece is not None:
            self._take(piece)
        return piece is not None

    def _take(self, piece: Piece) -> None:
        end = self._at + len(self._held)
        if piece.data:
            self._held += piece.data
            self._spans.append(_Span(end, end + len(piece.data), piece._replace(data=b"")))
            end += len(piece.data)
        elif self._spans and not piece.opens and self._spans[-1].piece.frame == piece.frame:
            last = self._spans[-1]
            self._spans[-1] = last._replace(piece=last.piece._replace(upto=piece.upto))
        if piece.ends:
            self._sound = end
        self._release()

    def _release(self) -> None:
        """Release the bytes of the file to which the reader cannot go back."""
        upto = self._frames.held_for_search()
        for span in self._spans:
            if span.piece.plain:
                upto = min(upto, self._in_plain())
                break
            if span.piece.opens and span.start >= self._at:
                upto = min(upto, span.piece.frame)
                break
        self._tape.release(upto)

    def _skip_padding(self, *, lost: bool = False) -> bool:
        """Drop padding, at most up to the start of the next frame; return False if there is none."""
        blank = self._padding_end(0)
        if blank:
            self._lose(blank) if lost else self._drop(blank)
        return blank > 0

    def _padding_end(self, at: int) -> int:
        """Return where in `held` the padding that starts at `at` ends, or where the next frame begins in it."""
        if self._held[at] not in PADDING:
            return at
        starts = (span.start - self._at for span in self._spans if span.piece.opens)
        limit = min((start for start in starts if start > at), default=len(self._held))
        found = _PADDING.match(self._held, at, limit)
        assert found is not None
        return found.end()

    def _lose(self, size: int) -> None:
        """Drop bytes that gave no record, and count their share of the file as lost."""
        end = self._at + size
        for span in self._spans:
            share = max(0, min(end, span.end) - max(self._at, span.start)) / (span.end - span.start)
            self.lost_bytes += round(share * (span.piece.upto - span.piece.since))
        self._drop(size)

    def _drop(self, size: int) -> None:
        del self._held[:size]
        self._at += size
        while self._spans and self._spans[0].end <= self._at:
            self._passed = self._spans.popleft().piece.upto

    # -- records without compression

    def _in_plain(self) -> int:
        """Return the file offset of the uncompressed record that `held` begins with."""
        first = self._spans[0]
        return first.piece.frame + self._at - first.start

    def _leaves_plain(self, at: int) -> bool:
        """Whether compressed data follows uncompressed records at byte `at` of `held`."""
        self._fill(at + 4)
        return self._frames.is_compressed(self._held[at : at + 4]) and any(
            span.piece.plain for span in self._spans if span.start <= self._at + at < span.end
        )

    def _leave_plain(self) -> None:
        self._frames.back_to(self._in_plain())
        self._sound = -1
        self._held.clear()
        self._spans.clear()
