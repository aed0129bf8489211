"""The payload of an HTTP response: its body with transfer and content encoding undone.

Byte for byte what warcio's `content_stream().read()` gives, which is what DataTrove judges, down to its answers to
broken encodings: a body that is not what its header says is taken as it is, and damage in the middle gives what comes
before. Common Crawl stores bodies decoded already; the rest is for WARCs of other tools.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING

from fastwarc.stream_io import BrotliReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK_BYTES = 16 << 10
"""warcio's block size: damage inside a block loses that block's output whole."""

MAX_CHUNK_BYTES = 1 << 31
"""warcio's bound of one chunk."""

_HEADER_END = re.compile(rb"\n[ \t\r\f\v]*(?:\n|\Z)")
"""The first line that is empty or blank."""

_BLANK_LINE = re.compile(rb"[ \t\r\f\v]*(?:\n|\Z)")
_ENCODED = re.compile(rb"(?im)^(?:content|transfer)-encoding[ \t]*:")
_CONTENT_ENCODING = re.compile(rb"(?im)^content-encoding[ \t]*:(.*)$")
_TRANSFER_ENCODING = re.compile(rb"(?im)^transfer-encoding[ \t]*:(.*)$")


class PayloadTooLarge(Exception):
    """The decoded payload is beyond the limit."""


def http_payload(data: bytes, start: int, end: int, max_bytes: int) -> bytes:
    """The payload of the response whose HTTP message is `data[start:end]`; nothing where its header does not end.

    Raises PayloadTooLarge where it decodes to more than `max_bytes`.
    """
    blank = _BLANK_LINE.match(data, start, end)
    if blank is not None:
        return data[blank.end() : end]
    head_end = _HEADER_END.search(data, start, end)
    if head_end is None:
        return b""
    head, body = data[start : head_end.end()], data[head_end.end() : end]
    return _decode(head, body, max_bytes) if _ENCODED.search(head) else body


def _decode(head: bytes, body: bytes, max_bytes: int) -> bytes:
    coding = _header(_CONTENT_ENCODING, head).lower()
    chunked = _header(_TRANSFER_ENCODING, head) == b"chunked"
    blocks = _chunks(io.BytesIO(body)) if chunked else _blocks(body)
    if coding == b"br":
        return _unbrotli(b"".join(blocks), max_bytes)
    if coding in (b"gzip", b"deflate"):
        return _inflate(blocks, coding, max_bytes)
    return b"".join(blocks)


def _header(pattern: re.Pattern[bytes], head: bytes) -> bytes:
    found = pattern.search(head)
    return found[1].strip() if found else b""


def _blocks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), BLOCK_BYTES):
        yield body[start : start + BLOCK_BYTES]


def _chunks(body: io.BytesIO) -> Iterator[bytes]:
    """The chunks of a chunked body (RFC 9112, 7.1); from the first one that is broken on, all as it is."""
    while True:
        line = body.readline(64)
        size = _chunk_size(line)
        if size is None:
            break
        chunk = body.read(size) if size > 0 else b""
        if size > 0 and len(chunk) < size:
            yield chunk
            return
        if body.read(2) != b"\r\n":
            line += chunk
            break
        if size == 0:
            return
        yield chunk
    yield line
    yield from _blocks(body.read())


def _chunk_size(line: bytes) -> int | None:
    if not line.endswith(b"\r\n"):
        return None
    try:
        size = int(line[:-2].split(b";")[0], 16)
    except ValueError:
        return None
    return size if size <= MAX_CHUNK_BYTES else None


def _inflate(blocks: Iterable[bytes], coding: bytes, max_bytes: int) -> bytes:
    """The first gzip member, or the zlib or raw deflate stream, of the blocks; as they are where they are none."""
    wbits = [31] if coding == b"gzip" else [zlib.MAX_WBITS, -zlib.MAX_WBITS]
    decoder: zlib._Decompress | None = zlib.decompressobj(wbits.pop(0))
    pieces: list[bytes] = []
    size = 0
    for block in blocks:
        if decoder is not None and decoder.eof:
            break
        piece = block
        while decoder is not None:
            try:
                piece = decoder.decompress(block, max_bytes - size + 1)
                break
            except zlib.error:
                if size:
                    return b"".join(pieces)
                decoder = zlib.decompressobj(wbits.pop(0)) if wbits else None
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise PayloadTooLarge
    return b"".join(pieces)


def _unbrotli(body: bytes, max_bytes: int) -> bytes:
    """The Brotli stream decoded, or the body as it is where it is none; warcio's own way needs an older `brotli`."""
    try:
        payload = BrotliReader(io.BytesIO(body)).read(max_bytes + 1)
    except OSError:
        return body
    if len(payload) > max_bytes:
        raise PayloadTooLarge
    return payload
