"""The shard of Xet: which chunks of which xorbs make up a file.

Format: https://huggingface.co/docs/xet/shard. A header of 48 bytes, then the files: 48 bytes (hash, flags u32, number
of terms u32, 8 unused), 48 a term (xorb hash, flags u32, unpacked length u32, first chunk u32, end chunk u32), 48 of
verification a term, 48 with the sha256; a file hash of 0xff bytes ends them. What follows is not needed here.
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
    """A run of chunks: `first` to `stop` (exclusive) of a xorb, `size` bytes unpacked."""

    xorb: str
    size: int
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class XetFile:
    """A file by its terms; `sha256` is what the client says, empty if it does not."""

    hash: str
    sha256: str
    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        return sum(term.size for term in self.terms)


def hash_text(raw: bytes) -> str:
    """A Xet hash as addresses spell it: each eight bytes as a little-endian number
    (https://huggingface.co/docs/xet/api).
    """
    return "".join(raw[at : at + 8][::-1].hex() for at in range(0, 32, 8))


def files_of(path: Path) -> Iterator[XetFile]:
    """The files of a shard. Raises XetFormatError."""
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
