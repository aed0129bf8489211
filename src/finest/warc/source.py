"""A source: one WARC with its location, its name in the rows, and its layout."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from finest.errors import SourceError
from finest.masking import public_address, told_apart
from finest.warc.common_crawl import CommonCrawl, common_crawl_path, dump_of
from finest.warc.cut import PADDING, Cut
from finest.warc.cutter import Cutter
from finest.warc.frames import Frames, Piece
from finest.warc.layout import Layout
from finest.warc.members import LOOKBACK_BYTES, MAGIC, is_record
from finest.warc.places import opener_for
from finest.warc.resolve import Shard, resolve
from finest.warc.stream import OnRetry, ResumableStream, RetryPolicy
from finest.warc.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.warc.pauses import Pauses

__all__ = ["CommonCrawl", "Shard", "Source", "common_crawl_path", "dump_of", "inspect", "name_sources", "resolve"]

LOOK_BYTES = 20 << 10
"""Bytes of a head that the first request asks for: the first two records of a crawl's WARC take about 2 kB, and gzip
members are read in blocks of 16 KiB. Each further request asks for twice as many."""
HEAD_BYTES = 4 << 20
"""Largest record read to determine a file's layout; the first one is nearly always a warcinfo of 1 kB."""

_CONTENT_BYTES = 512
"""Bytes of content inspected to determine the type of a file."""

_COMMON_CRAWL_KEY = re.compile(r"(?:^|/)(crawl-data/CC-(?:MAIN-|NEWS/)[^?#]+)$")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_LOOKS_LIKE = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip file; unpack it (a WACZ holds its WARC files in archive/)"),
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file with `git lfs pull`"),
    (b"BZh", "a bzip2 file; recompress it with gzip"),
    (b"\xfd7zXZ", "an xz file; recompress it with gzip"),
    (b"filedesc://", "an ARC file; convert it with `warcio recompress`"),
    (b"%PDF", "a PDF"),
    (b"{", "JSON"),
    (b"<?xml", "XML"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One WARC in the state for which the run was planned."""

    location: str = field(repr=False)
    """Absolute local path, `s3://bucket/key`, `http(s)://...` or another address that fsspec knows. It may hold
    secrets: show `address` instead."""
    name: str
    """Its name in the rows (`file_path`)."""
    size_bytes: int
    etag: str | None
    """The server's ETag, or a local file's modification time in nanoseconds; None if the server sends no ETag."""
    layout: Layout
    is_stripped: bool = False
    """Whether the location lacks the user information or query needed to read it: the ledger does not store those."""

    @property
    def address(self) -> str:
        """The location without secrets, safe to show."""
        return self.location if self.location.startswith("s3://") else public_address(self.location)

    def readable_location(self) -> str:
        """Return the location to read from; raise SourceError if the ledger stored it without its secrets."""
        if self.is_stripped:
            raise SourceError(
                f"{self.name} is read with user information or a query, which are never written down: name the whole "
                "address again (--source of `finest verify` and `finest why`, or the command that began the run)"
            )
        return self.location

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON, without user information and query."""
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
        """Invert `to_dict`; raise KeyError or ValueError for any other dictionary."""
        return Source(
            data["location"],
            data["name"],
            data["size_bytes"],
            data["etag"],
            Layout(data["layout"]),
            data.get("is_stripped", False),
        )


def inspect(
    location: str, name: str | None = None, *, policy: RetryPolicy | None = None, on_retry: OnRetry | None = None,
    pauses: Pauses | None = None,
) -> Source:  # fmt: skip
    """Inspect the head of a WARC. By default, `name` is the one that `name_sources` gives to this location alone.

    Raises SourceError if the file is missing, unreadable, empty or not a WARC.
    """
    opener = opener_for(location)
    stream = ResumableStream(
        opener, until=0, more_bytes=LOOK_BYTES, policy=policy, on_retry=on_retry, pauses=pauses
    )  # fmt: skip
    try:
        stream.connect()
        if not stream.size_bytes:
            raise SourceError(f"{opener.location}: the file is empty")
        layout = _layout(opener.location, Tape(stream))
    finally:
        stream.close()
    return Source(location, name or name_sources([location])[0], stream.size_bytes, stream.etag, layout)


def _layout(location: str, tape: Tape) -> Layout:
    """Return MEMBERS if each of the first two records fills its own gzip member; raise SourceError if it is no WARC.

    The layout only decides whether the file can be cut into slices; the reader accepts any other frames later on.
    """
    head = tape.ahead(512).lstrip(PADDING) or tape.ahead(512)
    frames = Frames(tape, HEAD_BYTES)
    data = _first_content(location, frames, head)
    if not is_record(data):
        packed = "a gzip file of " if head.startswith(MAGIC) else "a compressed file of "
        inside = "" if data[:4] == head[:4] else packed
        raise SourceError(f"{location}: not a WARC, but {inside}{_looks_like(data or head)}")
    if not head.startswith(MAGIC):
        return Layout.WHOLE
    alone = [item.alone for item in islice(_first_records(frames), 2)]
    return Layout.MEMBERS if alone and all(alone) else Layout.WHOLE


def _first_content(location: str, frames: Frames, head: bytes) -> bytes:
    """Return the first bytes of content, without leading padding, past damaged frames; leave the tape at their
    frame.
    """
    tape, begin, data = frames.tape, 0, b""
    while len(data) < _CONTENT_BYTES and (piece := frames.next(at_record=True)) is not None:
        if isinstance(piece, Piece):
            data = (data + piece.data).lstrip(PADDING)
        elif data:
            break
        elif piece.reason == "stream_gap" and tape.offset == 0 and not frames.is_compressed(head):
            return head
        else:
            frames.recover(piece)
            begin = tape.offset
        if tape.offset > LOOKBACK_BYTES:
            break
    if not data and begin:
        raise SourceError(f"{location}: cannot be decompressed from the start; download it again")
    tape.rewind(begin)
    frames.reset()
    return data


def _first_records(frames: Frames) -> Iterator[Cut]:
    """Yield the first records, up to the first one larger than HEAD_BYTES."""
    for item in Cutter(frames, HEAD_BYTES, in_file=True).until(4 * LOOKBACK_BYTES):
        if isinstance(item, Cut):
            yield item
        elif item.reason == "record_too_large":
            return


def _looks_like(data: bytes) -> str:
    text = data[:512].lstrip()
    for magic, kind in _LOOKS_LIKE:
        if text.startswith(magic):
            return kind
    if data[257:262] == b"ustar":
        return "a tar file; unpack it"
    if re.search(rb"(?i)<(!doctype html|html|head|body)\b", text):
        return "an HTML page"
    if b"\0" not in text and not re.search(rb"[^\x09-\x0d\x20-\xff]", text):
        return f"text that begins with {text[:30].decode('utf-8', 'replace')!r}"
    return f"bytes that begin with {data[:8].hex(' ')}"


def name_sources(locations: Sequence[str]) -> list[str]:
    """Return the name of each location in the rows: unique, and the same wherever the file is read from.

    A Common Crawl file is `s3://commoncrawl/crawl-data/...`, also over HTTPS or from a mirror folder. Any other remote
    file is its address without user information, query and fragment, with a suffix (`told_apart`) if several are then
    equal. A local file is its name, with as many parent folders as distinguish it from the others. Bytes that are not
    UTF-8 and control characters are written as `\\xff`.
    Raises SourceError if two locations are the same file.
    """
    names = [_remote_name(location) for location in locations]
    _tell_apart(names, locations)
    local = iter(_shortest_tails([location for location, name in zip(locations, names, strict=True) if name is None]))
    names = [name if name is not None else next(local) for name in names]
    return [_written(name) for name in names if name is not None]


def _tell_apart(names: list[str | None], locations: Sequence[str]) -> None:
    """Add suffixes to equal names, in place."""
    for twice in [name for name, count in Counter(name for name in names if name).items() if count > 1]:
        places = [i for i, name in enumerate(names) if name == twice]
        for i, suffix in zip(places, told_apart([locations[i] for i in places]), strict=True):
            names[i] = twice + suffix
        if len({names[i] for i in places}) < len(places) or twice.startswith("s3://"):
            what = "Common Crawl file" if twice.startswith("s3://commoncrawl/") else "file"
            shown = " and ".join(public_address(locations[i]) for i in places)
            raise SourceError(f"the same {what} is named twice: {shown}")


def _written(name: str) -> str:
    """Return the name in a form that every format accepts, on one line."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _remote_name(location: str) -> str | None:
    address = public_address(location)
    key = _COMMON_CRAWL_KEY.search(address)
    if key:
        return f"s3://commoncrawl/{key[1]}"
    return address if "://" in location else None


def _shortest_tails(paths: Sequence[str]) -> list[str]:
    """Return for each path its shortest tail of components that no other path ends with."""
    parts = [[part for part in PurePath(path).parts if part != "/"] for path in paths]
    depth = [1] * len(parts)
    while True:
        tails = ["/".join(part[-d:]) for part, d in zip(parts, depth, strict=True)]
        counts = Counter(tails)
        deeper = [d + 1 if counts[t] > 1 and d < len(p) else d for p, d, t in zip(parts, depth, tails, strict=True)]
        if deeper == depth:
            return tails
        depth = deeper
