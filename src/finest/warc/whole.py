"""Files that can only be read from their head: one gzip member, Zstandard, LZ4, or no compression at all.

`pieces` gives the decompressed stream piece by piece, each of bounded size, with a Loss where the compression is
damaged.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

import zstandard
from fastwarc.stream_io import Lz4Reader

from finest.warc.loss import Loss
from finest.warc.members import MAGIC, PROBE_BYTES, STEP_BYTES, consumed
from finest.warc.stream import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from finest.warc.tape import Tape

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
"""The skippable frame that holds the dictionary of a .warc.zst (iipc.github.io/warc-specifications, warc-zstd)."""
LZ4_MAGIC = b"\x04\x22\x4d\x18"

ZSTD_STEP_BYTES = 1 << 10
"""Compressed bytes decoded in one call. Zstandard can make a 128 KiB block of 4 bytes, so this gives 32 MiB at the
most."""


def pieces(tape: Tape) -> Iterator[bytes | Loss]:
    """The decompressed stream of the file on the tape, whatever its compression is."""
    head = tape.ahead(4, least=4)
    if head.startswith(MAGIC):
        return _gzip(tape)
    if head in (ZSTD_MAGIC, ZSTD_DICTIONARY_MAGIC):
        return _zstd(tape)
    if head == LZ4_MAGIC:
        return _lz4(tape)
    return _plain(tape)


def _plain(tape: Tape) -> Iterator[bytes | Loss]:
    while block := tape.ahead():
        tape.advance(len(block))
        tape.release()
        yield block


def _gzip(tape: Tape) -> Iterator[bytes | Loss]:
    """All members as one stream; damage to one costs the rest of that one."""
    while tape.ahead(1):
        start, inflater = tape.offset, zlib.decompressobj(wbits=31)
        while not inflater.eof:
            block = tape.ahead()
            try:
                piece = inflater.decompress(block, STEP_BYTES)
            except zlib.error as error:
                yield _skip_gzip_damage(tape, start, "gzip_corrupt", str(error))
                break
            if not block:
                yield Loss("gzip_truncated", start, tape.offset - start, "the file ends inside the member")
                return
            tape.advance(consumed(inflater, block))
            tape.release()
            yield piece


def _skip_gzip_damage(tape: Tape, start: int, reason: str, detail: str) -> Loss:
    """Move to the next gzip member after the damage, or to the end."""
    damaged_at = tape.offset
    if damaged_at == start:
        tape.advance(1)
    while len(block := tape.ahead(least=len(MAGIC))) >= len(MAGIC):
        found = block.find(MAGIC)
        tape.advance(found if found >= 0 else len(block) - len(MAGIC) + 1)
        if found >= 0 and _inflates(tape.ahead(PROBE_BYTES, least=PROBE_BYTES)):
            tape.release()
            return Loss(reason, damaged_at, tape.offset - damaged_at, detail)
        tape.advance(1 if found >= 0 else 0)
        tape.release()
    tape.drain()
    return Loss(reason, damaged_at, tape.offset - damaged_at, detail)


def _inflates(block: bytes) -> bool:
    try:
        return bool(zlib.decompressobj(wbits=31).decompress(block, 64))
    except zlib.error:
        return False


def _zstd(tape: Tape) -> Iterator[bytes | Loss]:
    """All frames as one stream; damage costs the rest of the file."""
    decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(tape))
    while tape.ahead(1):
        start, frame = tape.offset, decompressor.decompressobj()
        while not frame.eof:
            block = tape.ahead(ZSTD_STEP_BYTES)
            if not block:
                yield Loss("stream_truncated", start, tape.offset - start, "the file ends inside the frame")
                return
            try:
                piece = frame.decompress(block)
            except zstandard.ZstdError as error:
                yield _rest_is_lost(tape, str(error))
                return
            tape.advance(len(block) - len(frame.unused_data))
            tape.release()
            yield piece


def _dictionary(tape: Tape) -> zstandard.ZstdCompressionDict | None:
    head = tape.ahead(8, least=8)
    if head[:4] != ZSTD_DICTIONARY_MAGIC:
        return None
    size = int.from_bytes(head[4:8], "little")
    data = tape.ahead(8 + size, least=8 + size)[8:]
    tape.advance(8 + len(data))
    if data.startswith(ZSTD_MAGIC):
        data = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 27)
    return zstandard.ZstdCompressionDict(data)


def _lz4(tape: Tape) -> Iterator[bytes | Loss]:
    """All frames as one stream, by fastwarc; damage costs the rest of the file."""
    reader = Lz4Reader(_TapeReader(tape))
    while True:
        try:
            piece = reader.read(BLOCK_BYTES)
        except OSError as error:
            yield _rest_is_lost(tape, str(error))
            return
        if not piece:
            return
        yield piece


def _rest_is_lost(tape: Tape, detail: str) -> Loss:
    start = tape.offset
    tape.drain()
    return Loss("stream_corrupt", start, tape.offset - start, detail)


class _TapeReader(io.RawIOBase):
    """A tape as a file object."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    def readable(self) -> bool:
        return True

    def tell(self) -> int:  # fastwarc asks for it
        return self._tape.offset

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        block = self._tape.ahead(min(len(view), BLOCK_BYTES))
        view[: len(block)] = block
        self._tape.advance(len(block))
        self._tape.release()
        return len(block)
