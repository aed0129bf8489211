"""Read a xorb: up to 64 MiB of compressed chunks that a Xet client uploads.

Format: https://huggingface.co/docs/xet/xorb. A chunk is a header of 8 bytes (version u8, compressed length u24, scheme
u8, length u24, little-endian) and its data; a footer that begins with `XETBLOB` may follow and is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import lz4.frame

HEADER_BYTES = 8
FOOTER = b"XETBLOB"
MAX_XORB_BYTES = 64 * 1024 * 1024 + 1024 * 1024
"""The format's limit of 64 MiB, plus room for headers and footer."""
MAX_CHUNK_BYTES = 128 * 1024
"""Largest chunk that the format allows, before compression."""

PLAIN, LZ4, GROUPED_LZ4 = 0, 1, 2
GROUPS = 4


class XetFormatError(ValueError):
    """Raised for bytes that are not a valid xorb or shard."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The position of one chunk in its xorb: `start` is its header's offset, `end` that of the next header."""

    start: int
    end: int
    scheme: int
    size: int


@lru_cache(maxsize=16)
def chunks_of(path: Path) -> tuple[Chunk, ...]:
    """Return the chunks of a stored xorb. Raises XetFormatError."""
    total, start, chunks = path.stat().st_size, 0, []
    with path.open("rb") as file:
        while start + HEADER_BYTES <= total:
            file.seek(start)
            header = file.read(HEADER_BYTES)
            if header.startswith(FOOTER):
                break
            chunk = _chunk(header, start)
            if chunk.end > total or chunk.size > MAX_CHUNK_BYTES or chunk.scheme > GROUPED_LZ4:
                raise XetFormatError(f"no chunk at byte {start}")
            chunks.append(chunk)
            start = chunk.end
    if not chunks:
        raise XetFormatError("a xorb without chunks")
    return tuple(chunks)


def _chunk(header: bytes, start: int) -> Chunk:
    packed, size = int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little")
    return Chunk(start, start + HEADER_BYTES + packed, header[4], size)


def read_chunks(path: Path, first: int, stop: int, skip: int, size: int) -> Iterator[bytes]:
    """Yield `size` bytes of the chunks `first` to `stop` (exclusive), after skipping `skip` bytes.

    Raises XetFormatError.
    """
    with path.open("rb") as file:
        for chunk in chunks_of(path)[first:stop]:
            if size <= 0:
                return
            if skip >= chunk.size:
                skip -= chunk.size
                continue
            data = _unpacked(file, chunk)[skip : skip + size]
            skip = 0
            size -= len(data)
            yield data


def _unpacked(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.start + HEADER_BYTES)
    data = file.read(chunk.end - chunk.start - HEADER_BYTES)
    if chunk.scheme != PLAIN:
        try:
            data = lz4.frame.LZ4FrameDecompressor().decompress(data, chunk.size + 1)
        except RuntimeError as error:
            raise XetFormatError(f"chunk at byte {chunk.start}: {error}") from error
    if len(data) != chunk.size:
        raise XetFormatError(f"chunk at byte {chunk.start} has {len(data)} bytes, its header says {chunk.size}")
    return _ungrouped(data) if chunk.scheme == GROUPED_LZ4 else data


def _ungrouped(data: bytes) -> bytes:
    """Undo byte grouping, which stores every fourth byte together."""
    size, start = len(data), 0
    out = bytearray(size)
    for group in range(GROUPS):
        length = (size - group + GROUPS - 1) // GROUPS
        out[group::GROUPS] = data[start : start + length]
        start += length
    return bytes(out)
