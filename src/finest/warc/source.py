"""A source: one WARC, where it lies, what its rows call it, and how it can be cut."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from finest.errors import SourceError
from finest.warc.cutter import cut_one
from finest.warc.layout import Layout
from finest.warc.loss import Loss
from finest.warc.members import MAGIC, STEP_BYTES, consumed
from finest.warc.openers import opener_for
from finest.warc.resolve import CommonCrawl, resolve
from finest.warc.stream import OnRetry, ResumableStream, RetryPolicy
from finest.warc.tape import Tape
from finest.warc.whole import pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CommonCrawl", "Source", "dump_of", "inspect", "name_sources", "resolve"]

HEAD_BYTES = 4 << 20
"""Most decompressed bytes of a file's first member looked at to tell its layout; it nearly always holds a warcinfo of
1 kB."""

_COMMON_CRAWL_KEY = re.compile(r"(?:^|/)(crawl-data/CC-MAIN-[^?#]+)$")
_DUMP = re.compile(r"CC-MAIN-[0-9]{4}-[0-9]{2}(?![0-9])")

_LOOKS_LIKE = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip file"),
    (b"BZh", "a bzip2 file; recompress it with gzip"),
    (b"\xfd7zXZ", "an xz file; recompress it with gzip"),
    (b"filedesc://", "an ARC file; convert it with `warcio recompress`"),
    (b"%PDF", "a PDF"),
    (b"{", "JSON"),
    (b"<?xml", "XML"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One WARC as the run was planned on it."""

    location: str
    """Absolute local path, `s3://bucket/key` or `http(s)://...`."""
    name: str
    """What the rows call it (`file_path`)."""
    size_bytes: int
    etag: str | None
    """The server's ETag; of a local file its modification time in nanoseconds. None where the server gives none."""
    layout: Layout

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "location": self.location,
            "name": self.name,
            "size_bytes": self.size_bytes,
            "etag": self.etag,
            "layout": self.layout.value,
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Source:
        """The inverse of `to_dict`; raises KeyError or ValueError for anything else."""
        return Source(data["location"], data["name"], data["size_bytes"], data["etag"], Layout(data["layout"]))


def inspect(
    location: str, name: str | None = None, *, policy: RetryPolicy | None = None, on_retry: OnRetry | None = None
) -> Source:
    """Look at the head of a WARC. `name` is by default what `name_sources` gives it alone.

    Raises SourceError for what is missing, not to be read, empty, or no WARC.
    """
    stream = ResumableStream(opener_for(location), policy=policy, on_retry=on_retry)
    try:
        stream.connect()
        if not stream.size_bytes:
            raise SourceError(f"{location}: the file is empty")
        layout = _layout(location, Tape(stream))
    finally:
        stream.close()
    return Source(location, name or name_sources([location])[0], stream.size_bytes, stream.etag, layout)


def _layout(location: str, tape: Tape) -> Layout:
    head = tape.ahead(512, least=512)
    if head.startswith(MAGIC):
        data, is_whole_member = _first_member(location, tape)
        one_record = is_whole_member and cut_one(0, 0, data) is not None
        layout, inside = (Layout.MEMBERS if one_record else Layout.WHOLE), "a gzip file of "
    else:
        data = _first_piece(location, tape)
        layout, inside = Layout.WHOLE, "" if data[:4] == head[:4] else "a compressed file of "
    if not data.lstrip(b"\r\n").startswith(b"WARC/"):
        raise SourceError(f"{location}: not a WARC, but {inside}{_looks_like(data or head)}")
    return layout


def _first_member(location: str, tape: Tape) -> tuple[bytes, bool]:
    """What the first gzip member decompresses to, up to HEAD_BYTES, and whether that is all of it."""
    inflater, data = zlib.decompressobj(wbits=31), b""
    while not inflater.eof and len(data) < HEAD_BYTES and (block := tape.ahead()):
        try:
            data += inflater.decompress(block, STEP_BYTES)
        except zlib.error:
            break
        tape.advance(consumed(inflater, block))
    if not data and not inflater.eof:
        raise SourceError(f"{location}: cannot be decompressed from its very beginning; fetch it anew")
    return data, inflater.eof


def _first_piece(location: str, tape: Tape) -> bytes:
    for piece in pieces(tape):
        if isinstance(piece, Loss):
            raise SourceError(f"{location}: cannot be decompressed from its very beginning; fetch it anew")
        if piece:
            return piece
    return b""


def _looks_like(data: bytes) -> str:
    text = data[:512].lstrip()
    for magic, kind in _LOOKS_LIKE:
        if text.startswith(magic):
            return kind
    if re.search(rb"(?i)<(!doctype html|html|head|body)\b", text):
        return "an HTML page"
    if b"\0" not in text and not re.search(rb"[^\x09-\x0d\x20-\xff]", text):
        return f"text that begins with {text[:30].decode('utf-8', 'replace')!r}"
    return f"bytes that begin with {data[:8].hex(' ')}"


def name_sources(locations: Sequence[str]) -> list[str]:
    """What the rows call each location: the same wherever a file is read from, and no two alike.

    A Common Crawl file is `s3://commoncrawl/crawl-data/...` also over HTTPS or from a mirror folder; any other remote
    file is its address; a local file is its name, with as many parent folders as it takes to tell it from the others.
    Raises SourceError where one Common Crawl file is named in two places.
    """
    names = [_remote_name(location) for location in locations]
    twice = [name for name, count in Counter(name for name in names if name).items() if count > 1]
    if twice:
        places = " and ".join(location for location, name in zip(locations, names, strict=True) if name == twice[0])
        raise SourceError(f"the same Common Crawl file is named twice: {places}")
    local = iter(_shortest_tails([location for location, name in zip(locations, names, strict=True) if name is None]))
    return [name if name is not None else next(local) for name in names]


def _remote_name(location: str) -> str | None:
    key = _COMMON_CRAWL_KEY.search(location)
    if key:
        return f"s3://commoncrawl/{key[1]}"
    return location if "://" in location else None


def _shortest_tails(paths: Sequence[str]) -> list[str]:
    """For each path the fewest last parts that no other path ends with."""
    parts = [[part for part in PurePath(path).parts if part != "/"] for path in paths]
    depth = [1] * len(parts)
    while True:
        tails = ["/".join(part[-d:]) for part, d in zip(parts, depth, strict=True)]
        counts = Counter(tails)
        deeper = [d + 1 if counts[t] > 1 and d < len(p) else d for p, d, t in zip(parts, depth, tails, strict=True)]
        if deeper == depth:
            return tails
        depth = deeper


def dump_of(name: str) -> str:
    """The crawl in a source's name, e.g. `CC-MAIN-2024-10`; `local` where there is none."""
    found = _DUMP.search(name)
    return found[0] if found else "local"
