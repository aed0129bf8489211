"""Resolve the sources named on the command line to the locations of WARC files."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from finest.errors import SourceError
from finest.masking import public_address
from finest.sample import SAMPLES, sample_path
from finest.warc.common_crawl import CommonCrawl, is_like_a_crawl
from finest.warc.listings import SUFFIXES, in_bucket, in_store
from finest.warc.lists import unlisted

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMON_CRAWL_PATH = re.compile(r"crawl-data/CC-(?:MAIN-[^/]+|NEWS)/\S+")


@dataclass(frozen=True, slots=True)
class Shard:
    """The part K of N equal parts of a run's sources, in their order: the files K, K + N, K + 2N and so on.

    Each part is an even sample of a crawl, whatever the crawl's order, and all parts together are the whole crawl once.
    """

    number: int
    """K, from 1 to `count`."""
    count: int

    @staticmethod
    def parse(text: str) -> Shard:
        """Read `K/N`; raise ValueError for any other text."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text, re.ASCII)
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= count:
            raise ValueError(f"{text!r} is no part; write K/N with 1 <= K <= N, such as 3/90")
        return Shard(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def of(self, locations: list[str]) -> list[str]:
        """Return this part of the locations; raise SourceError if it is empty."""
        part = locations[self.number - 1 :: self.count]
        if not part:
            raise SourceError(f"shard {self} is empty: there are only {len(locations)} sources; take fewer parts")
        return part


def resolve(specs: Sequence[str], common_crawl: CommonCrawl | None = None, *, shard: Shard | None = None) -> list[str]:
    """Return the locations that `specs` name, in the order given; those of a folder, glob or prefix are sorted.

    A spec is a file, a folder (searched recursively), a glob, `s3://bucket/key`, `s3://bucket/prefix/`,
    `http(s)://...`, any address that fsspec knows (`gs://`, `az://`, `hf://datasets/...`, `hf://buckets/...`; a file, a
    folder or a glob), a crawl (`CC-MAIN-2026-30`, `CC-NEWS-2026-05`: all WARCs of its list), a Common Crawl path
    (`crawl-data/CC-MAIN-...`), a sample that ships (`sample:english`, `sample:languages`) or `@list.txt`, a file with
    one of these per line. Common Crawl's files are read from S3 if AWS credentials are set, else over HTTPS. In a list,
    paths are relative to the current folder, and `#` at the start of a line or after a space begins a comment; a list
    may be gzipped and is in UTF-8 or UTF-16. `shard` takes only its part of all these locations.
    Raises SourceError if a spec matches nothing or two specs name the same location.
    """
    common_crawl = common_crawl or CommonCrawl()
    locations: list[str] = []
    seen: dict[str, str] = {}
    for spec in unlisted(specs):
        for location in _expand(spec, common_crawl):
            if location in seen:
                by = f"by {_shown(seen[location])!r} and by {_shown(spec)!r}"
                raise SourceError(f"{public_address(location)} is named twice: {by}")
            seen[location] = spec
            locations.append(location)
    if not locations:
        raise SourceError("no source is named; give WARC files, folders, globs, addresses or a crawl (CC-MAIN-2025-26)")
    return locations if shard is None else shard.of(locations)


def _shown(spec: str) -> str:
    return public_address(spec) if spec.startswith(("https://", "http://")) else spec


def _expand(spec: str, common_crawl: CommonCrawl) -> list[str]:
    if spec in SAMPLES:
        return [str(sample_path(spec))]
    if spec.startswith("s3://"):
        return in_bucket(spec)
    if spec.startswith(("https://", "http://")):
        return [_checked(spec)]
    if "\0" in spec:
        raise SourceError(f"{spec}: no file's name holds a zero byte")
    if spec.startswith("file://"):
        spec = unquote(urlsplit(spec).path)
    if "://" in spec:
        return in_store(spec)
    place = os.path.expanduser(spec)  # noqa: PTH111 - a list may name 90,000 files
    if os.path.lexists(place):
        path = Path(place)
        if path.is_dir():
            return _in_folder(path, spec)
        if path.exists():
            return [_absolute(path)]
    if _COMMON_CRAWL_PATH.fullmatch(spec):
        return [f"{common_crawl.base}/{spec}"]
    if is_like_a_crawl(spec):
        return [f"{common_crawl.base}/{path}" for path in common_crawl.files_of(spec)]
    if glob.has_magic(spec):
        return _in_glob(Path(place), spec)
    if spec.partition(":")[0] == "sample":
        raise SourceError(f"{spec}: no such sample; there are {' and '.join(SAMPLES)}")
    raise SourceError(f"{spec}: no such file or folder")


def _checked(spec: str) -> str:
    """Return `spec` if it is an address with a host; raise SourceError if it is not."""
    try:
        parts = urlsplit(spec)
        fine = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine:
        raise SourceError(f"{public_address(spec)}: not an address with a host; write https://host/path")
    return spec


def _absolute(path: Path) -> str:
    """Return the absolute path without resolving symbolic links, because the rows use the names of the links."""
    return os.path.abspath(path)  # noqa: PTH100


def _in_folder(folder: Path, spec: str) -> list[str]:
    def refuse(error: OSError) -> None:
        raise SourceError(f"{error.filename}: cannot be searched: {error.strerror}") from error

    found = [
        _absolute(Path(parent) / name)
        for parent, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if name.endswith(SUFFIXES)
    ]
    if not found:
        raise SourceError(f"{spec}: the folder holds no {', '.join(SUFFIXES)} file")
    return sorted(found)


def _in_glob(pattern: Path, spec: str) -> list[str]:
    names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - Path.glob wants a folder to begin from
    found = [_absolute(Path(name)) for name in names if name.endswith(SUFFIXES)]
    if not found:
        raise SourceError(f"{spec}: matches no {', '.join(SUFFIXES)} file")
    return sorted(found)
