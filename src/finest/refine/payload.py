"""The payload of an HTTP response: its body with transfer and content encoding undone.

Byte for byte what warcio's `content_stream().read()` gives, which is what DataTrove judges, down to its answers to broken
encodings: a body that is not what its header says is taken as it is, and damage in the middle gives what comes before.
Common Crawl stores bodies decoded already; the rest is for WARCs of other tools.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING, Protocol

from fastwarc.stream_io import BrotliReader
from fastwarc.warc import HeaderMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK_BYTES = 16 << 10
"""warcio's block size: damage inside a block loses that block's output whole."""

MAX_CHUNK_BYTES = 1 << 31
"""warcio's bound of one chunk."""

_HEADER_END = re.compile(rb"\n[ \t\r\f\v]*(?:\n|\Z)")
"""The first line that is empty or blank."""


class PayloadTooLarge(Exception):
    """The decoded payload is beyond the limit."""


class _Decoder(Protocol):
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


def http_payload(block: bytes, max_bytes: int) -> bytes | None:
    """The payload of a response record's block; None where the block has no HTTP header.

    Raises PayloadTooLarge where it decodes to more than `max_bytes`.
    """
    if not block:
        return b""
    first, _, rest = block.partition(b"\n")
    if not first.strip():
        return rest
    if not first[:5].upper() == b"HTTP/":
        return None
    end = _HEADER_END.search(block)
    if end is None:
        return b""
    body = block[end.end() :]
    head = block[: end.end()]
    return _decode(head, body, max_bytes) if b"-encoding" in head.lower() else body


def _decode(head: bytes, body: bytes, max_bytes: int) -> bytes:
    headers = HeaderMap()
    headers.parse(io.BytesIO(with_crlf(head)))
    coding = (headers.get("Content-Encoding") or "").lower()
    blocks: Iterable[bytes] = _blocks(body)
    if headers.get("Transfer-Encoding") == "chunked":
        blocks = _chunks(io.BytesIO(body))
    if coding == "br":
        return _unbrotli(b"".join(blocks), max_bytes)
    if coding in ("gzip", "deflate"):
        return _inflate(blocks, coding, max_bytes)
    return b"".join(blocks)


def with_crlf(head: bytes) -> bytes:
    """The header with every line ended as the standard says, which fastwarc insists on and ClueWeb does not keep."""
    if head.count(b"\n") == head.count(b"\r\n"):
        return head
    return head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


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


def _inflate(blocks: Iterable[bytes], coding: str, max_bytes: int) -> bytes:
    """The first gzip member, or the zlib or raw deflate stream, of the blocks; as they are where they are none."""
    wbits = [31] if coding == "gzip" else [zlib.MAX_WBITS, -zlib.MAX_WBITS]
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
