"""Undo the transfer and content codings of an HTTP body, as RFC 9110 8.4.1 and RFC 9112 7 define them.

Codings are undone from the end of the list. Other cases follow what archives contain in practice:

- A plain body is returned unchanged although its header names a coding: Common Crawl and many tools store decoded
  bodies with the server's original header. A body is plain if it does not decode and contains no binary data byte;
  a short one must also begin with `<`.
- If a body is truncated or damaged, the part before the damage is returned.
- The body's own first bytes overrule the header where it decodes by them alone: gzip, zlib and Zstandard begin with
  magic numbers, sound chunks lead from one to the next, and binary data that is Brotli of a text to its end is that.
  Servers name the wrong coding, and archives drop fields.
- A binary body raises Undecodable if its coding is unknown or nothing of it can be decoded; it is never text.

Every decoder stops at a given number of bytes, and runs in time linear in what it reads and writes.
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
"""Compressed bytes passed to a decoder at a time."""
GZIP = 31
"""zlib's `wbits` for a gzip stream."""
SHORT_BYTES = 64
"""A packed body that is cut off after fewer bytes may contain no binary data byte and still decode to nothing. Of the
beginnings of 360 packed pages, the longest one with neither had 40 bytes."""
MAX_CODINGS = 8
"""Limit on the codings of one body; servers apply one, rarely two."""
MAX_CHUNKS = 1 << 18
"""Limit on the chunks of one body. Servers send kilobytes at a time; more chunks than this in a record of the largest
size would have a few bytes each and only cost time."""
_SOUND_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*\r\n")
MAX_MEMBERS = 1 << 16
"""Limit on the gzip members of one body; the data after them is dropped."""

_BEGINS_WITH_TAG = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n\f]*<")
_CHUNK = re.compile(rb"[ \t\r\n]{0,8}(?:0[xX])?([0-9a-fA-F]{1,32})[ \t]*(?:;[^\n]{0,65536})?\r?\n")
"""Matches the size, extensions and line end of a chunk (RFC 9112 7.1)."""
_CHUNK_END = re.compile(rb"[ \t]*\r?\n")
_CHUNK_CUT_OFF = re.compile(rb"[ \t\r\n]{0,8}[0-9a-fA-F]{1,32}[ \t]*(?:;[^\n]{0,65536})?\r?")
"""Matches a chunk's first line that the end of the body truncates before its newline."""


class Undecodable(Exception):
    """Raised for a coding that cannot be undone; the message is the coding's name."""


def undo(body: bytes, codings: Iterable[str], max_bytes: int) -> bytes:
    """Return the body with `codings` undone, which are given in the order in which they were applied.

    Raises Undecodable, and PayloadTooLarge if the result of any step exceeds `max_bytes`.
    """
    wanted = list(codings)
    if len(wanted) > MAX_CODINGS:
        raise Undecodable(f"{len(wanted)} codings")
    for coding in reversed(wanted):
        if not body:
            break
        body = _undo_one(body, coding, max_bytes)
    return body


def undo_unnamed(body: bytes, max_bytes: int) -> bytes:
    """Return the body without the codings that its first bytes show although the header names none.

    Raises as `undo` does.
    """
    for _ in range(MAX_CODINGS):
        coding = _evident(body)
        if coding is None:
            return _text_in_brotli(body, max_bytes) or body
        body = undo(body, [coding], max_bytes)
    return body


def _evident(body: bytes) -> str | None:
    """Return the coding that the body's own bytes show; None if they show none."""
    if body.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if body.startswith(zstandard.FRAME_HEADER):
        return "zstd"
    if body[:1] == b"x" and int.from_bytes(body[:2], "big") % 31 == 0 and is_binary(body):
        return "deflate"
    return "chunked" if _is_chunked(body) else None


def _is_chunked(body: bytes) -> bool:
    """Return whether sound chunks fill the body up to the last one, or up to its end inside a later one."""
    at = chunks = 0
    while (head := _SOUND_CHUNK.match(body, at)) is not None and chunks < MAX_CHUNKS:
        size, at = int(head[1], 16), head.end()
        if size == 0 or (chunks and at + size >= len(body)):
            return chunks > 0
        if body[at + size : at + size + 2] != b"\r\n":
            return False
        at += size + 2
        chunks += 1
    return False


def _undo_one(body: bytes, coding: str, max_bytes: int) -> bytes:
    if coding == "chunked":
        return _unchunk(body)
    decode = _DECODERS.get(coding)
    out, complete = decode(body, max_bytes) if decode else (b"", False)
    evident = None if out or complete else _evident(body)
    if evident and evident != coding:
        if evident == "chunked":
            body = _unchunk(body)
        else:
            decode = _DECODERS[evident]
        out, complete = decode(body, max_bytes) if decode else (body, True)
    if complete:
        return out
    if _is_plain(body):
        return body
    if (not out or is_binary(out)) and (text := _text_in_brotli(body, max_bytes)):
        return text
    if not out:
        raise Undecodable(coding)
    return out


def _is_plain(body: bytes) -> bool:
    """Return whether a body that does not decode is text, and not the beginning of packed data."""
    return not is_binary(body) and (len(body) >= SHORT_BYTES or _BEGINS_WITH_TAG.match(body) is not None)


def _unchunk(body: bytes) -> bytes:
    """Return the data of the chunks before the last or the first broken one; return a body without chunks unchanged."""
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
            if not pieces[1:] and body[at + size :].strip(b" \t\r"):
                return body  # the first line only looks like a chunk size
            break
        at = end.end()
    if len(pieces) >= MAX_CHUNKS:
        raise Undecodable("chunked")
    if at or _CHUNK_CUT_OFF.fullmatch(body):
        return b"".join(pieces)
    return body


def _gzip(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """Decode all gzip members of the body (RFC 1952 2.2); the data after the last one is dropped."""
    return _inflate(body, max_bytes, GZIP)


def _deflate(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """Decode a zlib stream, as RFC 9110 8.4.1.2 requires, or the raw deflate stream that some servers send instead."""
    out, complete = _inflate(body, max_bytes, zlib.MAX_WBITS)
    return (out, complete) if out or complete else _inflate(body, max_bytes, -zlib.MAX_WBITS)


def _inflate(body: bytes, max_bytes: int, wbits: int) -> tuple[bytes, bool]:
    """Return the decoded body, and whether its first stream is complete."""
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
    """Decode a damaged block up to the damage, which is located by bisection."""
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


def _text_in_brotli(body: bytes, max_bytes: int) -> bytes:
    """Return the text that a binary body is in Brotli, which has no magic number; b"" if it is none."""
    if not is_binary(body):
        return b""
    try:
        out, complete = _brotli(body, max_bytes)
    except PayloadTooLarge:
        return b""
    return out if complete and not is_binary(out) else b""


def _zstd(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """Decode all frames of the body (RFC 8878 3), with windows of up to 8 MiB, as browsers allow (RFC 9659)."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=8 << 20)
    return _read_all(
        lambda: decompressor.stream_reader(io.BytesIO(body), read_across_frames=True).read,
        max_bytes,
        zstandard.ZstdError,
    )


def _read_all(
    begin: Callable[[], Callable[[int], bytes]], max_bytes: int, error: type[Exception]
) -> tuple[bytes, bool]:
    """Read a decoding reader up to its end or the damage; return the data, and whether the end was reached."""
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
    """Read what remains after `blocks` whole blocks, byte by byte: a larger read that meets the damage loses it all."""
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
