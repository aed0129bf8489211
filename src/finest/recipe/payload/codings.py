"""Transfer and content codings of an HTTP body, undone as RFC 9110 8.4.1 and RFC 9112 7 define them.

Codings are undone from the end of the list. What archives really hold decides the rest:

- A body that is plain although its header names a coding is taken as it is: Common Crawl and many tools store bodies
  decoded under the header that the server sent. A body is plain where it does not decode and holds no byte that only
  binary data has.
- A body that ends early, or is damaged in the middle, gives what comes before.
- A coding that is unknown, or of whose data nothing can be decoded, raises Undecodable: such a body is never a text.

Every decoder stops at a given number of bytes, and all of them run in time linear in what they read and write.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING

import zstandard
from fastwarc.stream_io import BrotliReader

from finest.recipe.payload.size import PayloadTooLarge
from finest.recipe.payload.sniff import is_binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK_BYTES = 16 << 10
"""Compressed bytes handed to a decoder at a time."""
GZIP = 31
"""What zlib calls a gzip stream (wbits)."""
MAX_CODINGS = 8
"""Codings of one body that are undone; servers apply one, rarely two."""
MAX_CHUNKS = 1 << 18
"""Chunks of one body that are read. Servers send kilobytes at a time; with more chunks than this in a record of the
largest size each would hold a few bytes, which only costs time."""
MAX_MEMBERS = 1 << 16
"""Gzip members of one body that are read; what comes after them is left out."""

_CHUNK = re.compile(rb"[ \t\r\n]{0,8}([0-9a-fA-F]{1,32})[ \t]*(?:;[^\n]{0,65536})?\r?\n")
"""Size, extensions and end of line of a chunk (RFC 9112 7.1)."""
_CHUNK_END = re.compile(rb"[ \t]*\r?\n")
_CHUNK_CUT_OFF = re.compile(rb"[ \t\r\n]{0,8}[0-9a-fA-F]{1,32}[ \t]*(?:;[^\n]{0,65536})?\r?")
"""A chunk's first line that the end of the body cuts off before its newline."""


class Undecodable(Exception):
    """A coding that cannot be undone; its text is the coding's name."""


def undo(body: bytes, codings: Iterable[str], max_bytes: int) -> bytes:
    """The body with the codings undone, given in the order in which they were applied.

    Raises Undecodable, and PayloadTooLarge where any step gives more than `max_bytes`.
    """
    wanted = list(codings)
    if len(wanted) > MAX_CODINGS:
        raise Undecodable(f"{len(wanted)} codings")
    for coding in reversed(wanted):
        if not body:
            break
        body = _undo_one(body, coding, max_bytes)
    return body


def _undo_one(body: bytes, coding: str, max_bytes: int) -> bytes:
    if coding == "chunked":
        return _unchunk(body)
    decode = _DECODERS.get(coding)
    out, complete = decode(body, max_bytes) if decode else (b"", False)
    if complete:
        return out
    if not is_binary(body):
        return body
    if not out:
        raise Undecodable(coding)
    return out


def _unchunk(body: bytes) -> bytes:
    """The data of the chunks up to the last one, or up to the first that is broken; all of a body without chunks."""
    pieces: list[bytes] = []
    at = 0
    while (head := _CHUNK.match(body, at)) is not None and len(pieces) < MAX_CHUNKS:
        size = int(head[1], 16)
        at = head.end()
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[at : at + size])
        end = _CHUNK_END.match(body, at + size)
        if end is None:
            if not pieces[1:] and at + size < len(body):
                return body  # a first line that only looks like a size
            break
        at = end.end()
    if len(pieces) >= MAX_CHUNKS:
        raise Undecodable("chunked")
    if at or _CHUNK_CUT_OFF.fullmatch(body):
        return b"".join(pieces)
    return body


def _gzip(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """All gzip members of the body, one after the other (RFC 1952 2.2). What follows the last one is left out."""
    return _inflate(body, max_bytes, GZIP)


def _deflate(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """A zlib stream as RFC 9110 8.4.1.2 asks for, or the bare deflate stream that some servers send for it."""
    out, complete = _inflate(body, max_bytes, zlib.MAX_WBITS)
    return (out, complete) if out or complete else _inflate(body, max_bytes, -zlib.MAX_WBITS)


def _inflate(body: bytes, max_bytes: int, wbits: int) -> tuple[bytes, bool]:
    """What the body decodes to, and whether its first stream ended as it should."""
    pieces: list[bytes] = []
    size, at, complete, members = 0, 0, False, 0
    while at < len(body) and not (complete and (wbits != GZIP or members >= MAX_MEMBERS)):
        members += 1
        decoder = zlib.decompressobj(wbits)
        begins = at
        while not decoder.eof and at < len(body):
            block = body[at : at + BLOCK_BYTES]
            spare = decoder.copy()
            try:
                piece = decoder.decompress(block, max_bytes - size + 1)
            except zlib.error:
                pieces.append(_salvaged(spare, block, max_bytes - size + 1))
                return _bounded(pieces, max_bytes), complete
            pieces.append(piece)
            size += len(piece)
            if size > max_bytes:
                raise PayloadTooLarge
            at += len(block) - len(decoder.unused_data)
        complete = decoder.eof or (complete and begins > 0)
    return b"".join(pieces), complete


def _bounded(pieces: list[bytes], max_bytes: int) -> bytes:
    out = b"".join(pieces)
    if len(out) > max_bytes:
        raise PayloadTooLarge
    return out


def _salvaged(decoder: zlib._Decompress, block: bytes, max_bytes: int) -> bytes:
    """What a block with damage in it gives before the damage: halved until that is found."""
    pieces: list[bytes] = []
    while block:
        half = block[: (len(block) + 1) // 2]
        spare = decoder.copy()
        try:
            pieces.append(decoder.decompress(half, max_bytes))
            block = block[len(half) :]
        except zlib.error:
            decoder, block = spare, half if len(half) < len(block) else b""
    return b"".join(pieces)


def _brotli(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    return _read_all(lambda: BrotliReader(io.BytesIO(body)).read, max_bytes, OSError)


def _zstd(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """All frames of the body (RFC 8878 3). A window may be as large as browsers allow: 8 MiB (RFC 9659)."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=8 << 20)
    return _read_all(
        lambda: decompressor.stream_reader(io.BytesIO(body), read_across_frames=True).read,
        max_bytes,
        zstandard.ZstdError,
    )


def _read_all(
    begin: Callable[[], Callable[[int], bytes]], max_bytes: int, error: type[Exception]
) -> tuple[bytes, bool]:
    """All that a decoding reader gives before its end or the damage, and whether it came to its end."""
    pieces: list[bytes] = []
    try:
        for piece in _read(begin(), BLOCK_BYTES):
            pieces.append(piece)
            if len(pieces) * BLOCK_BYTES > max_bytes and sum(map(len, pieces)) > max_bytes:
                raise PayloadTooLarge
        return b"".join(pieces), True
    except error:
        return b"".join(pieces) + _last(begin(), len(pieces), error), False


def _last(read: Callable[[int], bytes], blocks: int, error: type[Exception]) -> bytes:
    """What follows the blocks that can be read whole: it is lost where more is asked for than there is."""
    for _ in range(blocks):
        read(BLOCK_BYTES)
    out = bytearray()
    try:
        for piece in _read(read, 1):
            out += piece
    except error:
        pass
    return bytes(out)


def _read(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while piece := read(size):
        yield piece


_DECODERS: dict[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "br": _brotli, "zstd": _zstd,
}  # fmt: skip
