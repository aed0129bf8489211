"""Store what Xet clients upload in a folder: the unmodified xorbs, and how files are composed of them.

xorbs/<hash>          files/<hash>.json  {sha256, size, terms}          sha256/<sha256>.json  the file's hash
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from finest.devnet.hub.disk import Received, read_json, write_json
from finest.devnet.hub.shard import Term, XetFile
from finest.devnet.hub.xorb import Chunk, XetFormatError, chunks_of, read_chunks


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a xorb that a client must fetch for one term: chunks `first` to `stop`, bytes `start` to `end`."""

    xorb: str
    size: int
    first: int
    stop: int
    start: int
    end: int


class Cas:
    """The content-addressed store. It registers a file only if its bytes have the sha256 that the client stated."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("xorbs", "files", "sha256"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    def xorb(self, name: str) -> Path:
        return self._folder / "xorbs" / name

    def add_xorb(self, name: str, body: Received) -> bool:
        """Store a xorb; return False if it already exists. Raises XetFormatError."""
        chunks_of(body.path)
        if self.xorb(name).exists():
            return False
        body.keep(self.xorb(name))
        return True

    def add_file(self, file: XetFile) -> None:
        """Read, hash and register a file. Raises XetFormatError if its bytes do not match its description."""
        for term in file.terms:
            self._check(term)
        digest = hashlib.sha256()
        for block in self._read(file.terms, 0, file.size):
            digest.update(block)
        sha256 = digest.hexdigest()
        if file.sha256 and file.sha256 != sha256:
            raise XetFormatError(f"file {file.hash} has sha256 {sha256}, the shard says {file.sha256}")
        write_json(self._folder / "files" / f"{file.hash}.json", {**asdict(file), "sha256": sha256})
        write_json(self._folder / "sha256" / f"{sha256}.json", file.hash)

    def find(self, file_hash: str) -> XetFile | None:
        stored = read_json(self._folder / "files" / f"{file_hash}.json")
        if stored is None:
            return None
        return XetFile(stored["hash"], stored["sha256"], tuple(Term(**term) for term in stored["terms"]))

    def hash_of(self, sha256: str) -> str | None:
        """Return Xet's hash of the content with that sha256; None if no client uploaded it with Xet."""
        found = read_json(self._folder / "sha256" / f"{sha256}.json")
        return str(found) if found else None

    def find_sha256(self, sha256: str) -> XetFile | None:
        file_hash = self.hash_of(sha256)
        return self.find(file_hash) if file_hash else None

    def read(self, file: XetFile, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes `start` to `stop` (exclusive) of a registered file."""
        return self._read(file.terms, start, stop)

    def pieces(self, file: XetFile, start: int, stop: int) -> tuple[int, list[Piece]]:
        """Return how many bytes of the first chunk precede `start`, and the chunks with bytes `start` to `stop`."""
        at, skip, found = 0, None, []
        for term in file.terms:
            if at < stop and at + term.size > start:
                chunks = chunks_of(self.xorb(term.xorb))
                first, last, before = _cover(chunks[term.first : term.stop], start - at, stop - at)
                skip = before if skip is None else skip
                found.append(_piece(term.xorb, chunks, term.first + first, term.first + last))
            at += term.size
        return skip or 0, found

    def _read(self, terms: tuple[Term, ...], start: int, stop: int) -> Iterator[bytes]:
        at = 0
        for term in terms:
            low, high = max(start - at, 0), min(stop - at, term.size)
            if low < high:
                yield from read_chunks(self.xorb(term.xorb), term.first, term.stop, low, high - low)
            at += term.size

    def _check(self, term: Term) -> None:
        path = self.xorb(term.xorb)
        if not path.exists():
            raise XetFormatError(f"xorb {term.xorb} was not uploaded")
        chunks = chunks_of(path)
        if term.stop > len(chunks) or sum(chunk.size for chunk in chunks[term.first : term.stop]) != term.size:
            raise XetFormatError(f"xorb {term.xorb} has no {term.size} bytes in chunks {term.first} to {term.stop}")


def _cover(chunks: tuple[Chunk, ...], start: int, stop: int) -> tuple[int, int, int]:
    """Return which chunks hold bytes `start` to `stop`: the first, one past the last, and how many bytes of the first
    precede `start`.
    """
    at, first, last, before = 0, -1, 0, 0
    for number, chunk in enumerate(chunks):
        if at < stop and at + chunk.size > start:
            if first < 0:
                first, before = number, max(start - at, 0)
            last = number + 1
        at += chunk.size
    return first, last, before


def _piece(xorb: str, chunks: tuple[Chunk, ...], first: int, stop: int) -> Piece:
    size = sum(chunk.size for chunk in chunks[first:stop])
    return Piece(xorb, size, first, stop, chunks[first].start, chunks[stop - 1].end)
