"""Imports a crawl's list of WARC files, from Common Crawl or a local file, into the store; safe to repeat."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from finest import __version__
from finest.errors import SourceError
from finest.formatting import counted, showable
from finest.retry import Backoff, Policy, pause, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests

Say = Callable[[str], None]

CONNECT_S, READ_S = 10.0, 60.0
TRIES = 6
RETRY = Policy(first_s=2.0, cap_s=30.0, tries=TRIES, asked_cap_s=60.0)
"""At most a minute of waiting in all, unless Common Crawl asks for more."""
WAITED_FOR = frozenset({403, 408, 425, 429, 500, 502, 503, 504})
"""403 is how CloudFront limits rates for Common Crawl (status.commoncrawl.org), not a missing right."""
LIST_BYTES = 128 * 1024 * 1024
"""A list may have so much text: 900,000 paths. Those of Common Crawl have 60,000 to 100,000, of 14 MB at the most."""
MOST_PATH = 512
"""Characters of a path; Common Crawl's have up to 150."""
_GZIP = b"\x1f\x8b"
_ENCODINGS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks of text files written by editors and shells on Windows, and their encodings."""
_NAME = re.compile(r"CC-MAIN-[0-9]{4}(?:-[0-9]{2,4})?", re.ASCII)
_PATH = re.compile(r"crawl-data/(?P<crawl>[A-Za-z0-9._-]{1,64})/segments/[^/\s]+/warc/[^/\s]+\.warc\.gz", re.ASCII)
_BEFORE_WARC = re.compile(r"CC-MAIN-(2008-2009|2009-2010|2012)", re.ASCII)
"""Crawls kept as ARC files, which have no list of WARCs to import (commoncrawl.org/get-started)."""


class Adding(Protocol):
    """The part of the store that an import needs."""

    def add_warcs(self, crawl: str, paths: Iterable[str]) -> int: ...


@dataclass(frozen=True, slots=True)
class Import:
    """The result of an import: the number of WARCs of one crawl, and how many of them are new."""

    crawl: str
    warcs: int
    new: int

    def __str__(self) -> str:
        return f"{self.crawl}: {counted(self.warcs, 'WARC')}, {self.new:,} new"


@dataclass(frozen=True, slots=True)
class CommonCrawl:
    """Where the lists are: `collinfo` names the crawls, `https` serves each one's warc.paths.gz."""

    https: str
    collinfo: str

    def crawls(self, say: Say) -> list[str]:
        """Every crawl, newest first; those that are no WARC files are named and passed over. Raises SourceError."""
        try:
            names = [entry["id"] for entry in json.loads(fetch(self.collinfo, say))]
            fine = all(isinstance(name, str) for name in names)
        except (ValueError, TypeError, KeyError):
            fine = False
        if not fine:
            raise SourceError(f"{self.collinfo}: not a list of crawls; see FINEST_CC_COLLINFO")
        for name in filter(is_before_warc, names):
            say(f"{showable(name, 64)}: passed over, it is no WARC files but ARC files")
        return [name for name in names if not is_before_warc(name)]

    def import_crawl(self, store: Adding, crawl: str, say: Say) -> Import:
        """Fetch the list of one crawl and add it; raises SourceError."""
        if is_before_warc(crawl):
            raise SourceError(f"{crawl} is no WARC files but ARC files, which are not handed out")
        if not _NAME.fullmatch(crawl):
            raise SourceError(
                f"{showable(crawl, 80)!r} is no crawl; name one as CC-MAIN-2025-26, a warc.paths.gz, or --all"
            )
        address = f"{self.https}/crawl-data/{crawl}/warc.paths.gz"
        paths = _read(address, io.BytesIO(fetch(address, say)))
        if strangers := paths.keys() - {crawl}:
            raise SourceError(f"{address}: lists files of {min(strangers)}, which is another crawl; nothing was added")
        return _add(store, crawl, paths[crawl])


def import_file(store: Adding, path: Path) -> list[Import]:
    """Add a local list, plain or gzipped, of one crawl or several; raises SourceError."""
    try:
        with path.open("rb") as file:
            found = _read(str(path), file)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    return [_add(store, crawl, paths) for crawl, paths in found.items()]


def is_before_warc(crawl: str) -> bool:
    """Whether this crawl was made before Common Crawl kept WARC files."""
    return _BEFORE_WARC.fullmatch(crawl) is not None


def fetch(address: str, say: Say) -> bytes:
    """A small file over HTTPS; raises SourceError where it is not there, or stays away for TRIES tries."""
    import requests

    with requests.Session() as session:
        session.headers["User-Agent"] = f"finest-data/{__version__}"
        backoff = Backoff(RETRY)
        while isinstance(answer := _ask(session, address), _Failure):
            wait_s = backoff.next_s(answer.asked_s)
            if wait_s is None:
                raise SourceError(f"{address}: {answer.reason}, after {TRIES} tries; run the same command again later")
            say(f"{address}: {answer.reason}; asking again in {wait_s:.1f} s")
            pause(wait_s)
    return answer


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a file did not come and may come another time, and how long the server asked to wait."""

    reason: str
    asked_s: float | None = None


def _ask(session: requests.Session, address: str) -> bytes | _Failure:
    """The file, or why it did not come; raises SourceError where it never will."""
    import requests

    try:
        with session.get(address, timeout=(CONNECT_S, READ_S), stream=True) as response:
            body = _body(address, response)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise SourceError(f"{address}: not an address; see FINEST_CC_HTTPS and FINEST_CC_COLLINFO") from None
    except requests.RequestException as error:
        return _Failure(f"no answer ({type(error).__name__})")
    if response.status_code in WAITED_FOR:
        return _Failure(f"HTTP {response.status_code}", retry_after_s(response.headers.get("Retry-After")))
    if response.status_code == 404:
        raise SourceError(f"{address}: not found; `finest tasks import --all` takes those that Common Crawl lists")
    if response.status_code != 200:
        raise SourceError(f"{address}: the server answers HTTP {response.status_code}")
    return body


def _body(address: str, response: requests.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(1 << 20):
        parts.append(part)
        size += len(part)
        if size > LIST_BYTES:
            raise _too_long(address)
    return b"".join(parts)


def _too_long(where: str) -> SourceError:
    return SourceError(
        f"{where}: the list has more than {LIST_BYTES >> 20} MiB of text, which is no list of WARC files; "
        "a longer one is imported in parts; nothing was added"
    )


def _read(where: str, file: BinaryIO) -> dict[str, list[str]]:
    """The paths of a list by crawl, in its order. All of it is read before anything is added."""
    found = defaultdict(list)
    for number, line in enumerate(io.StringIO(_text(where, file)), 1):
        path = line.strip()
        match = _PATH.fullmatch(path)
        if match and len(path) <= MOST_PATH:
            found[match["crawl"]].append(path)
        elif path:
            raise SourceError(
                f"{where}: line {number} is no WARC file of a crawl ({showable(path, 100)!r}); "
                "crawl-data/CC-MAIN-2025-26/segments/.../warc/....warc.gz is; nothing was added"
            )
    if not found:
        raise SourceError(f"{where}: the list is empty")
    return found


def _text(where: str, file: BinaryIO) -> str:
    """The text of a list, gzipped or not, of which no more than LIST_BYTES are ever unpacked."""
    begin = file.read(len(_GZIP))
    file.seek(0)
    try:
        data = (gzip.GzipFile(fileobj=file) if begin == _GZIP else file).read(LIST_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(f"{where}: damaged gzip file ({error}); fetch it again") from error
    if len(data) > LIST_BYTES:
        raise _too_long(where)
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "ascii")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SourceError(f"{where}: not a list of WARC files: byte {error.start} is no {encoding.upper()}") from error


def _add(store: Adding, crawl: str, paths: list[str]) -> Import:
    return Import(crawl, len(paths), store.add_warcs(crawl, paths))
