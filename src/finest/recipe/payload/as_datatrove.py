"""Read the body, type and text of an HTTP response as DataTrove's WARC reader does.

The body equals the result of warcio's `content_stream().read()` byte for byte, also for broken encodings: a body that
is not in the coding that its header names is returned unchanged, and of a damaged body the part before the damage is
returned. libmagic determines the type. The text is UTF-8, or in the encoding that cchardet guesses; the encoding that a
page declares is ignored.
"""

from __future__ import annotations

import ctypes
import io
import re
import sys
import zlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cchardet
from fastwarc.stream_io import BrotliReader

from finest.errors import RecipeError
from finest.recipe.payload.size import PayloadTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK_BYTES = 16 << 10
"""warcio's block size; damage inside a block loses the block's entire output."""

MAX_CHUNK_BYTES = 1 << 31
"""warcio's limit on the size of one chunk."""

_HEADER_END = re.compile(rb"\n[ \t\r\f\v]*(?:\n|\Z)")
"""Matches the end of the header: the first empty or blank line."""

_BLANK_LINE = re.compile(rb"[ \t\r\f\v]*(?:\n|\Z)")
_ENCODED = re.compile(rb"(?im)^(?:content|transfer)-encoding[ \t]*:")
_CONTENT_ENCODING = re.compile(rb"(?im)^content-encoding[ \t]*:(.*)$")
_TRANSFER_ENCODING = re.compile(rb"(?im)^transfer-encoding[ \t]*:(.*)$")


MAGIC_MIME_TYPE = 0x10
"""libmagic's flag (magic.h) to return only the MIME type."""


def http_payload(message: bytes, max_bytes: int) -> bytes:
    """Return the payload of an HTTP message; b"" if its header does not end.

    Raises PayloadTooLarge if the payload decodes to more than `max_bytes`.
    """
    blank = _BLANK_LINE.match(message)
    if blank is not None:
        return message[blank.end() :]
    head_end = _HEADER_END.search(message)
    if head_end is None:
        return b""
    head, body = message[: head_end.end()], message[head_end.end() :]
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
    """Yield the chunks of a chunked body (RFC 9112, 7.1); from the first broken chunk on, yield the raw bytes."""
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
    """Decode the blocks' first gzip member, or their zlib or raw deflate stream; return other data unchanged."""
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
    """Decode the Brotli stream, or return other data unchanged; warcio's own code needs an older version of brotli."""
    try:
        payload = BrotliReader(io.BytesIO(body)).read(max_bytes + 1)
    except OSError:
        return body
    if len(payload) > max_bytes:
        raise PayloadTooLarge
    return payload


def decode_by_guess(payload: bytes) -> str | None:
    """Decode the payload as UTF-8, otherwise in the encoding that cchardet guesses; return None if both fail."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        encoding = cchardet.detect(payload)["encoding"]
    if not encoding or encoding == "UTF-8":
        return None
    try:
        return payload.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def magic_type(payload: bytes) -> str:
    """Return libmagic's type of the payload, which DataTrove uses if a record names no type (crawls before 2015)."""
    library, cookie = _magic()
    found = library.magic_buffer(cookie, payload, len(payload))
    return found.decode("ascii", "replace") if found else ""


@lru_cache(maxsize=1)
def _magic() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """Load the libmagic of the package pylibmagic with its own data, so that verdicts do not depend on the system.

    (`python-magic` would use the system's library if there is one.)
    """
    spec = find_spec("pylibmagic")  # not imported, because the import changes ctypes and the environment
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("package pylibmagic is not installed; reinstall with: pip install finest-data")
    folder = Path(spec.submodule_search_locations[0])
    library = ctypes.CDLL(str(folder / ("libmagic.so.1" if sys.platform == "linux" else "libmagic.dylib")))
    library.magic_open.restype = ctypes.c_void_p
    library.magic_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.magic_buffer.restype = ctypes.c_char_p
    library.magic_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    cookie = ctypes.c_void_p(library.magic_open(MAGIC_MIME_TYPE))
    if library.magic_load(cookie, str(folder / "magic.mgc").encode()) != 0:
        raise RecipeError("libmagic cannot load its data; mend it with: pip install --force-reinstall pylibmagic")
    return library, cookie
