"""One record as a stretch of bytes: a header, which says how long the block is, and the block."""

from __future__ import annotations

import re
from typing import NamedTuple

MAGIC = b"WARC/"

HEADER_LIMIT_BYTES = 64 << 10
"""Longest WARC header that is looked for; fastwarc itself stops at 32 KiB."""

_HEADER_END = re.compile(rb"\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"(?im)\ncontent-length[ \t]*:[ \t]*(\d{1,18})[ \t\r]*$")
"""Of a header, whose first line is another one. To look for `^` in place of the newline takes four times as long."""
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
"""Header lines are folded as RFC 2616, 2.2 has it (WARC 1.1, section 4)."""


class Cut(NamedTuple):
    """One record: its header is `data[:head_bytes]`, its block `data[head_bytes:end]`."""

    offset: int
    length: int
    data: bytes
    head_bytes: int
    end: int
    alone: bool = False
    """Whether it is all that its gzip member, or other frame, holds."""


def cut_one(offset: int, length: int, data: bytes) -> Cut | None:
    """`data` as the single record that it is, in the member at `offset`; None where it is anything else."""
    head_bytes = head_end(data)
    size = None if head_bytes is None else content_length(data[:head_bytes])
    if head_bytes is None or size is None:
        return None
    end = head_bytes + size
    if len(data) < end or data[end:].strip(b"\r\n"):
        return None
    return Cut(offset, length, data, head_bytes, end, True)


def head_end(data: bytes | bytearray) -> int | None:
    """Length of the header that `data` begins with, blank line included."""
    if not data.startswith(MAGIC):
        return None
    end = _HEADER_END.search(data, 0, HEADER_LIMIT_BYTES)
    return None if end is None else end.end()


def unfolded(head: bytes | bytearray) -> bytes | bytearray:
    """The header with each field on one line: a line that begins with a blank goes on with the one before it."""
    return _FOLD.sub(b" ", head) if b"\n " in head or b"\n\t" in head else head


def content_length(head: bytes | bytearray) -> int | None:
    """What the header states; None where it states no length."""
    found = _CONTENT_LENGTH.search(head)
    if found is None or head[found.end() + 1 : found.end() + 2] in (b" ", b"\t"):  # the field goes on, or is folded
        found = _CONTENT_LENGTH.search(unfolded(head))
    return None if found is None else int(found[1])
