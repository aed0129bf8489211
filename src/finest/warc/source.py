"""A source: one WARC, where it lies, what its rows call it, and how it can be cut."""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from finest.errors import SourceError
from finest.masking import public_address, told_apart
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
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DUMP = re.compile(r"CC-MAIN-\d{4}-\d{2}(?!\d)")

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

    location: str = field(repr=False)
    """Absolute local path, `s3://bucket/key` or `http(s)://...`. It may hold secrets: show `address` instead."""
    name: str
    """What the rows call it (`file_path`)."""
    size_bytes: int
    etag: str | None
    """The server's ETag; of a local file its modification time in nanoseconds. None where the server gives none."""
    layout: Layout
    is_stripped: bool = False
    """The location lacks the user information or query that it is read with: a ledger does not keep those."""

    @property
    def address(self) -> str:
        """The location as anybody may see it."""
        return self.location if self.location.startswith("s3://") else public_address(self.location)

    def readable_location(self) -> str:
        """The location to read from; raises SourceError where the ledger kept it without its secrets."""
        if self.is_stripped:
            raise SourceError(
                f"{self.name} is read with user information or a query, which are never written down: name the whole "
                "address again (--source of `finest verify` and `finest why`, or the command that began the run)"
            )
        return self.location

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it: without user information and query."""
        stripped = {"is_stripped": True} if self.is_stripped or self.address != self.location else {}
        return {
            "location": self.address,
            "name": self.name,
            "size_bytes": self.size_bytes,
            "etag": self.etag,
            "layout": self.layout.value,
            **stripped,
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Source:
        """The inverse of `to_dict`; raises KeyError or ValueError for anything else."""
        return Source(
            data["location"],
            data["name"],
            data["size_bytes"],
            data["etag"],
            Layout(data["layout"]),
            data.get("is_stripped", False),
        )


def inspect(
    location: str, name: str | None = None, *, policy: RetryPolicy | None = None, on_retry: OnRetry | None = None
) -> Source:
    """Look at the head of a WARC. `name` is by default what `name_sources` gives it alone.

    Raises SourceError for what is missing, not to be read, empty, or no WARC.
    """
    opener = opener_for(location)
    stream = ResumableStream(opener, policy=policy, on_retry=on_retry)
    try:
        stream.connect()
        if not stream.size_bytes:
            raise SourceError(f"{opener.location}: the file is empty")
        layout = _layout(opener.location, Tape(stream))
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
    file is its address without user information, query and fragment, and where several are alike then, with a suffix
    (`told_apart`); a local file is its name, with as many parent folders as it takes to tell it from the others.
    Bytes that are not UTF-8 and control characters are written as `\\xff`.
    Raises SourceError where one file is named in two places.
    """
    names = [_remote_name(location) for location in locations]
    _tell_apart(names, locations)
    local = iter(_shortest_tails([location for location, name in zip(locations, names, strict=True) if name is None]))
    names = [name if name is not None else next(local) for name in names]
    return [_written(name) for name in names if name is not None]


def _tell_apart(names: list[str | None], locations: Sequence[str]) -> None:
    """Give names that are alike their suffixes, in place."""
    for twice in [name for name, count in Counter(name for name in names if name).items() if count > 1]:
        places = [i for i, name in enumerate(names) if name == twice]
        for i, suffix in zip(places, told_apart([locations[i] for i in places]), strict=True):
            names[i] = twice + suffix
        if len({names[i] for i in places}) < len(places) or twice.startswith("s3://"):
            what = "Common Crawl file" if twice.startswith("s3://commoncrawl/") else "file"
            shown = " and ".join(public_address(locations[i]) for i in places)
            raise SourceError(f"the same {what} is named twice: {shown}")


def _written(name: str) -> str:
    """A name that every format takes, on one line."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _remote_name(location: str) -> str | None:
    address = public_address(location)
    key = _COMMON_CRAWL_KEY.search(address)
    if key:
        return f"s3://commoncrawl/{key[1]}"
    return address if "://" in location else None


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
