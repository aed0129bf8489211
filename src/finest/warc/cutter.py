"""Cuts a decompressed WARC stream into records by their Content-Length, and finds its way where that is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from finest.warc.loss import Loss
from finest.warc.members import BOMB_FACTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER_LIMIT_BYTES = 64 << 10
"""Longest WARC header that is looked for; fastwarc itself stops at 32 KiB."""

_HEADER_END = re.compile(rb"\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"(?im)\ncontent-length[ \t]*:[ \t]*(\d{1,18})[ \t\r]*$")
"""Of a header, whose first line is another one. To look for `^` in place of the newline takes four times as long."""
_NEXT_RECORD = re.compile(rb"\nWARC/\d")
_NEXT_RECORD_BYTES = 7


class Cut(NamedTuple):
    """One record: its header is `data[:head_bytes]`, its block `data[head_bytes:end]`."""

    offset: int
    length: int
    data: bytes
    head_bytes: int
    end: int


def cut_one(offset: int, length: int, data: bytes) -> Cut | None:
    """`data` as the single record that it is, in the member at `offset`; None where it is anything else."""
    head_bytes = _head_bytes(data)
    size = None if head_bytes is None else _content_length(data[:head_bytes])
    if head_bytes is None or size is None:
        return None
    end = head_bytes + size
    if len(data) < end or data[end:].strip(b"\r\n"):
        return None
    return Cut(offset, length, data, head_bytes, end)


def _head_bytes(data: bytes | bytearray) -> int | None:
    """Length of the header that `data` begins with, blank line included."""
    if not data.startswith(b"WARC/"):
        return None
    end = _HEADER_END.search(data, 0, HEADER_LIMIT_BYTES)
    return None if end is None else end.end()


def _content_length(head: bytes | bytearray) -> int | None:
    found = _CONTENT_LENGTH.search(head)
    return None if found is None else int(found[1])


class Cutter:
    """The records in a stream of pieces; a Loss among the pieces is passed on, and the records resume after it."""

    def __init__(self, pieces: Iterator[bytes | Loss], max_bytes: int) -> None:
        self._pieces = pieces
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._offset = 0
        """Where `held` begins in the decompressed stream."""
        self._break: Loss | None = None

    def __iter__(self) -> Iterator[Cut | Loss]:
        while True:
            self._skip_newlines()
            if self._held:
                yield self._next()
            elif self._break is not None:
                loss, self._break = self._break, None
                yield loss
            elif not self._more() and self._break is None:
                return

    def _next(self) -> Cut | Loss:
        self._fill(5)
        if not self._held.startswith(b"WARC/"):
            return self._resync("stream_gap", "no WARC record begins here")
        head_bytes = self._head()
        if head_bytes is None:
            cut_off = len(self._held) < HEADER_LIMIT_BYTES
            return self._resync("record_truncated" if cut_off else "record_unreadable", "the WARC header does not end")
        size = _content_length(self._held[:head_bytes])
        if size is None:
            return self._resync("record_unreadable", "no Content-Length")
        end = head_bytes + size
        if end > self._max_bytes:
            return self._resync("record_too_large", f"Content-Length {size}")
        if not self._fill(end):
            return self._resync("record_truncated", f"Content-Length {size} goes beyond what there is")
        if not self._record_follows(end):
            return self._resync("record_truncated", f"no record follows where Content-Length {size} leads")
        cut = Cut(self._offset, end, bytes(self._held[:end]), head_bytes, end)
        self._drop(end)
        return cut

    def _head(self) -> int | None:
        head_bytes = _head_bytes(self._held)
        while head_bytes is None and len(self._held) < HEADER_LIMIT_BYTES and self._more():
            head_bytes = _head_bytes(self._held)
        return head_bytes

    def _record_follows(self, end: int) -> bool:
        """Whether the record that ends at `end` is followed by newlines and then by another one or by nothing."""
        start = end
        while self._fill(start + 1) and self._held[start] in b"\r\n":
            start += 1
        self._fill(start + 5)
        return start >= len(self._held) or self._held.startswith(b"WARC/", start)

    def _resync(self, reason: str, detail: str) -> Loss:
        """Drop everything up to the next line that begins a record, as lost."""
        start, searched = self._offset, 0
        while (found := _NEXT_RECORD.search(self._held, searched)) is None:
            keep = min(len(self._held), _NEXT_RECORD_BYTES)
            if self._offset + len(self._held) - start > self._max_bytes * BOMB_FACTOR:
                return self._give_up(reason, start)
            self._drop(len(self._held) - keep)
            searched = 0
            if not self._more():
                self._drop(len(self._held))
                return Loss(reason, start, self._offset - start, detail)
        self._drop(found.start() + 1)
        return Loss(reason, start, self._offset - start, detail)

    def _give_up(self, reason: str, start: int) -> Loss:
        """Read no further: nothing but a bomb is this long."""
        self._drop(len(self._held))
        self._pieces = iter(())
        return Loss(reason, start, self._offset - start, "given up; the rest of the file is not read")

    def _skip_newlines(self) -> None:
        blank = 0
        while blank < len(self._held) and self._held[blank] in b"\r\n":
            blank += 1
        self._drop(blank)

    def _fill(self, size: int) -> bool:
        while len(self._held) < size and self._more():
            pass
        return len(self._held) >= size

    def _more(self) -> bool:
        """Take another piece; False at the end and before damage."""
        if self._break is not None:
            return False
        piece = next(self._pieces, None)
        if isinstance(piece, Loss):
            self._break = piece
            return False
        self._held += piece or b""
        return piece is not None

    def _drop(self, size: int) -> None:
        del self._held[:size]
        self._offset += size
