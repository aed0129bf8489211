"""The part of a file's decompressed stream that is held in memory while it is cut into records."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from finest.warc.cut import MAGIC_BYTES, MAGICS, PADDING
from finest.warc.loss import Damage
from finest.warc.members import PROBE_BYTES, begins_record

if TYPE_CHECKING:
    from finest.warc.frames import Frames, Piece

_PADDING = re.compile(rb"[" + PADDING + rb"]*")


class _Span(NamedTuple):
    """The position of a piece in the decompressed stream and in the file."""

    start: int
    end: int
    piece: Piece
    """The piece, without its data."""


class Held:
    """Reads the stream piece by piece, and remembers where in the file each piece is."""

    def __init__(self, frames: Frames) -> None:
        self._frames, self._tape = frames, frames.tape
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

    def _frame_begins(self, at: int) -> bool:
        """Whether a frame begins at byte `at` of the stream, or the whole frame before it ends there."""
        return at == self._sound == self._at + len(self._held) or any(
            span.start == at and span.piece.opens for span in self._spans
        )

    def _padding_end(self, at: int) -> int:
        """Return where in `held` the padding that starts at `at` ends, or where the next frame begins in it."""
        if self._held[at] not in PADDING:
            return at
        starts = (span.start - self._at for span in self._spans if span.piece.opens)
        limit = min((start for start in starts if start > at), default=len(self._held))
        found = _PADDING.match(self._held, at, limit)
        assert found is not None
        return found.end()

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

    def _drop(self, size: int) -> None:
        del self._held[:size]
        self._at += size
        while self._spans and self._spans[0].end <= self._at:
            self._passed = self._spans.popleft().piece.upto

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
