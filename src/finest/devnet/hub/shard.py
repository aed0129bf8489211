"""Read a Xet shard, which lists the chunks and xorbs that make up each file.

Format: https://huggingface.co/docs/xet/shard. A header of 48 bytes, then the files. Each file has 48 bytes (hash, flags
u32, number of terms u32, 8 unused), 48 per term (xorb hash, flags u32, unpacked length u32, first chunk u32, end chunk
u32), 48 of verification per term, and 48 with the sha256. A file hash of 0xff bytes ends the list; the rest of the
shard is not needed here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from finest.devnet.hub.xorb import XetFormatError

RECORD_BYTES = 48
MAX_SHARD_BYTES = 64 * 1024 * 1024
VERIFIED, WITH_SHA256 = 1 << 31, 1 << 30

_END = b"\xff" * 32
_HEAD = struct.Struct("<32sII8x")
_TERM = struct.Struct("<32sIIII")


@dataclass(frozen=True, slots=True)
class Term:
    """A run of chunks, `first` to `stop` (exclusive), of a xorb; `size` is its unpacked length in bytes."""

    xorb: str
    size: int
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class XetFile:
    """A file as a list of terms; `sha256` comes from the client and is empty if the client did not state it."""

    hash: str
    sha256: str
    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        return sum(term.size for term in self.terms)


def hash_text(raw: bytes) -> str:
    """Return a Xet hash in the form used in addresses: each group of eight bytes as a little-endian number
    (https://huggingface.co/docs/xet/api).
    """
    return "".join(raw[at : at + 8][::-1].hex() for at in range(0, 32, 8))


def files_of(path: Path) -> Iterator[XetFile]:
    """Yield the files of a shard. Raises XetFormatError."""
    with path.open("rb") as file:
        _record(file)
        while (head := _record(file))[:32] != _END:
            raw, flags, count = _HEAD.unpack(head)
            terms = tuple(_term(_record(file)) for _ in range(count))
            if flags & VERIFIED:
                file.seek(RECORD_BYTES * count, 1)
            sha256 = hash_text(_record(file)[:32]) if flags & WITH_SHA256 else ""
            yield XetFile(hash_text(raw), sha256, terms)


def _term(record: bytes) -> Term:
    xorb, _flags, size, first, stop = _TERM.unpack(record)
    if first >= stop:
        raise XetFormatError("a term without chunks")
    return Term(hash_text(xorb), size, first, stop)


def _record(file: BinaryIO) -> bytes:
    record = file.read(RECORD_BYTES)
    if len(record) < RECORD_BYTES:
        raise XetFormatError("the shard ends early")
    return record
