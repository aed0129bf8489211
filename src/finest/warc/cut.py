"""Split one WARC record into its header, which states the block's length, and its block."""

from __future__ import annotations

import re
from typing import NamedTuple

MAGICS = (b"WARC/", b"warc/")
"""What a record begins with; a few tools write it in lower case."""
MAGIC_BYTES = 5
PADDING = b"\0\t\n\x0b\x0c\r \xef\xbb\xbf"
"""Bytes that belong to no record: the newlines after it, and blanks, zeros and byte order marks, which tools that copy
and join files leave."""

HEADER_LIMIT_BYTES = 64 << 10
"""Longest WARC header that the reader searches for; fastwarc itself stops at 32 KiB."""

_HEADER_END = re.compile(rb"\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"(?im)\ncontent-length[ \t]*:[ \t]*(\d{1,18})[ \t\r]*$")
"""The Content-Length field of a header. It is never the first line; matching `\\n` is four times as fast as `^`."""
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
"""A folded header line, as RFC 2616, section 2.2 defines it (WARC 1.1, section 4 refers to it)."""


class Cut(NamedTuple):
    """One record: its header is `data[:head_bytes]` and its block is `data[head_bytes:end]`."""

    offset: int
    length: int
    data: bytes
    head_bytes: int
    end: int
    alone: bool = False
    """Whether its gzip member, or other compressed frame, holds nothing else."""


def cut_one(offset: int, length: int, data: bytes) -> Cut | None:
    """Return `data`, the content of the member at `offset`, as one record; None if it is not exactly one record."""
    head_bytes = head_end(data)
    size = None if head_bytes is None else content_length(data[:head_bytes])
    if head_bytes is None or size is None:
        return None
    end = head_bytes + size
    if len(data) < end or data[end:].strip(PADDING):
        return None
    return Cut(offset, length, data, head_bytes, end, True)


def head_end(data: bytes | bytearray) -> int | None:
    """Return the length of the header at the start of `data`, including the blank line; None if there is no header."""
    if not data.startswith(MAGICS):
        return None
    end = _HEADER_END.search(data, 0, HEADER_LIMIT_BYTES)
    return None if end is None else end.end()


def unfolded(head: bytes | bytearray) -> bytes | bytearray:
    """Return the header with each field on one line: a line that begins with a blank continues the line before it."""
    return _FOLD.sub(b" ", head) if b"\n " in head or b"\n\t" in head else head


def content_length(head: bytes | bytearray) -> int | None:
    """Return the length that the header states; None if it states no length."""
    found = _CONTENT_LENGTH.search(head)
    if found is None or head[found.end() + 1 : found.end() + 2] in (b" ", b"\t"):  # the next line continues the field
        found = _CONTENT_LENGTH.search(unfolded(head))
    return None if found is None else int(found[1])
