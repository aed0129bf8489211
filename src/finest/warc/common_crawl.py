"""Common Crawl's layout: where its files are read, and the lists of the WARCs of its crawls.

    crawl-data/CC-MAIN-2026-30/warc.paths.gz     the list of a crawl, about 90,000 paths
    crawl-data/CC-NEWS/2026/05/warc.paths.gz     the list of a month of the news crawl

A list is read once and kept in the cache with its sha256 in its name; each later use asks the server for its ETag.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from finest.atomic_files import write_whole
from finest.errors import SourceError
from finest.settings import CC_BUCKET, CC_COLLINFO, CC_HTTPS, Settings
from finest.warc.places import opener_for
from finest.warc.stream import ResumableStream, RetryPolicy

_LOG = logging.getLogger(__name__)

MAX_LIST_BYTES = 128 << 20
"""Largest accepted list of a crawl, unpacked; those of Common Crawl have at most 14 MB."""
NEWEST = 5
"""Number of crawls that are named when an unknown one was asked for."""
COLLINFO_RETRY = RetryPolicy(tries=3)
"""The list of crawls only completes an error's message, so it is not waited for long."""

_CRAWL = re.compile(r"CC-MAIN-[0-9]{4}-[0-9]{2}|CC-NEWS-[0-9]{4}-[0-9]{2}", re.ASCII)
_INDEX_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.parquet", re.ASCII)
_LIKE_A_CRAWL = re.compile(r"(?i)CC-[A-Z]+(?:-[A-Z0-9]+)*", re.ASCII)
_NAMED_BY_ROWS = re.compile(
    r"s3://commoncrawl/(crawl-data/CC-(?:MAIN-[A-Za-z0-9-]+|NEWS)(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+)"
)
"""A Common Crawl file's name in the rows; no path component begins with a dot, and it holds no wildcard or address."""
_DUMP = re.compile(r"(CC-MAIN-[0-9]{4}-[0-9]{2})(?![0-9])|crawl-data/CC-NEWS/([0-9]{4})/([0-9]{2})/", re.ASCII)


def common_crawl_path(name: str) -> str | None:
    """Return the path at Common Crawl of a source named `s3://commoncrawl/crawl-data/...`; None for any other name.

    Pass every name from a dataset through it: `resolve` also reads addresses, folders, globs and lists, and an
    untrusted name must never reach any of these.
    """
    found = _NAMED_BY_ROWS.fullmatch(name)
    return found[1] if found else None


def dump_of(name: str) -> str:
    """Return the crawl in a source's name: `CC-MAIN-2024-10`, or `CC-NEWS-2026-05` for a month of the news crawl.

    It is `local` if the name contains no crawl.
    """
    found = _DUMP.search(name)
    if not found:
        return "local"
    return found[1] or f"CC-NEWS-{found[2]}-{found[3]}"


def is_like_a_crawl(spec: str) -> bool:
    """Whether a source can only be meant as a crawl's name, known or not."""
    return _LIKE_A_CRAWL.fullmatch(spec) is not None


@dataclass(frozen=True)
class CommonCrawl:
    """Where to read Common Crawl's files; a mirror can replace it."""

    https_base: str = CC_HTTPS
    """Base address of the files, used without AWS credentials; any address that can be read, as `hf://buckets/...`."""
    bucket: str = CC_BUCKET
    """S3 bucket with the same files, used if there are AWS credentials."""
    collinfo: str = CC_COLLINFO
    """Address of the list of crawls."""
    cache: Path | None = None
    """Folder for the lists of crawls; None to keep none."""

    @staticmethod
    def of(settings: Settings) -> CommonCrawl:
        """Return the place that the settings name, with the lists kept in their cache."""
        return CommonCrawl(settings.cc_https, settings.cc_bucket, settings.cc_collinfo, settings.cache / "crawls")

    @cached_property
    def base(self) -> str:
        """The address below which the files are read; credentials are looked up once for each object."""
        return f"s3://{self.bucket}" if has_aws_credentials() else self.https_base.rstrip("/")

    def files_of(self, crawl: str) -> list[str]:
        """Return the paths of a crawl's WARCs, in the order of its list.

        Raises SourceError, with the newest crawls, if there is no such crawl.
        """
        if not _CRAWL.fullmatch(crawl):
            raise SourceError(f"{crawl}: no crawl has such a name{self._newest()}")
        try:
            paths = self._list(crawl, list_of(crawl))
        except SourceError as error:
            raise SourceError(f"{error}{self._newest(crawl)}") from error
        for path in paths:
            if common_crawl_path(f"s3://commoncrawl/{path}") is None or dump_of(path) != crawl:
                raise SourceError(f"{self.base}/{list_of(crawl)}: lists {path[:200]!r}, which is no WARC of {crawl}")
        return paths

    def index_of(self, crawl: str) -> list[str]:
        """Return the paths of the files of a crawl's columnar index that have its pages.

        Raises SourceError, with the newest crawls, if there is no such crawl, or none with an index.
        """
        if not _CRAWL.fullmatch(crawl) or crawl.startswith("CC-NEWS"):
            raise SourceError(f"{crawl}: no crawl with an index has such a name{self._newest()}")
        folder = f"cc-index/table/cc-main/warc/crawl={crawl}/subset=warc/"
        try:
            paths = self._list(f"{crawl}-index", f"crawl-data/{crawl}/cc-index-table.paths.gz")
        except SourceError as error:
            raise SourceError(f"{error}{self._newest(crawl)}") from error
        found = [path for path in paths if path.startswith(folder)]
        if not found or not all(_INDEX_FILE.fullmatch(path.removeprefix(folder)) for path in found):
            raise SourceError(f"{self.base}/crawl-data/{crawl}/cc-index-table.paths.gz: lists no files in {folder}")
        return found

    def _list(self, name: str, path: str) -> list[str]:
        """Return the lines of a list of files, from the cache if the server still has the same."""
        address = f"{self.base}/{path}"
        if not (paths := self._text(name, address).decode("ascii", "replace").split()):
            raise SourceError(f"{address}: the list is empty")
        return paths

    def _text(self, crawl: str, address: str) -> bytes:
        kept = _Kept.find(self.cache, crawl, address)
        stream = ResumableStream(opener_for(address))
        try:
            stream.connect()
            if kept and stream.etag and kept.etag == stream.etag:
                return _unpacked(address, kept.data)
            data = _read(address, stream)
        except SourceError as error:
            if kept is None:
                raise
            _LOG.warning("%s; the list that was read before is used", error)
            return _unpacked(address, kept.data)
        finally:
            stream.close()
        text = _unpacked(address, data)
        if self.cache is not None and stream.etag:
            _Kept(address, stream.etag, data).write(self.cache, crawl)
        return text

    def _newest(self, crawl: str = "") -> str:
        """Return the end of a message that names the newest crawls; empty if they are unknown or contain `crawl`."""
        news = "; months of the news crawl are named as CC-NEWS-2026-05"
        stream = ResumableStream(opener_for(self.collinfo), policy=COLLINFO_RETRY)
        try:
            names = [entry["id"] for entry in json.loads(_read(self.collinfo, stream))]
        except (SourceError, ValueError, TypeError, KeyError):
            return news
        finally:
            stream.close()
        known = [name for name in names if isinstance(name, str) and _CRAWL.fullmatch(name)]
        if not known or crawl in known or crawl.startswith("CC-NEWS"):
            return ""
        return f"; the newest are {', '.join(known[:NEWEST])}: finest refine {known[0]} --shard 1/1000 --out try{news}"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A list in the cache."""

    address: str
    etag: str
    data: bytes

    @staticmethod
    def find(cache: Path | None, crawl: str, address: str) -> _Kept | None:
        """Return the kept list of a crawl; None if there is none from this address, or its sha256 is another."""
        if cache is None:
            return None
        try:
            about = json.loads((cache / f"{crawl}.json").read_bytes())
            data = (cache / f"{crawl}-{about['sha256']}.paths.gz").read_bytes()
            is_whole = hashlib.sha256(data).hexdigest() == about["sha256"] and about["address"] == address
            return _Kept(address, about["etag"], data) if is_whole else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, cache: Path, crawl: str) -> None:
        sha256 = hashlib.sha256(self.data).hexdigest()
        cache.mkdir(parents=True, exist_ok=True)
        write_whole(cache / f"{crawl}-{sha256}.paths.gz", self.data)
        about = {"address": self.address, "etag": self.etag, "sha256": sha256}
        write_whole(cache / f"{crawl}.json", json.dumps(about, indent=1).encode())


def list_of(crawl: str) -> str:
    """Return the path of the list of a crawl's WARCs (https://commoncrawl.org/get-started, /news-crawl)."""
    if crawl.startswith("CC-NEWS-"):
        year, month = crawl.split("-")[2:]
        return f"crawl-data/CC-NEWS/{year}/{month}/warc.paths.gz"
    return f"crawl-data/{crawl}/warc.paths.gz"


def _read(address: str, stream: ResumableStream) -> bytes:
    data = bytearray()
    while block := stream.read(1 << 16):
        data += block
        if len(data) > MAX_LIST_BYTES:
            raise _too_large(address)
    return bytes(data)


def _unpacked(address: str, data: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        text = unpack.decompress(data, MAX_LIST_BYTES + 1)
    except zlib.error as error:
        raise SourceError(f"{address}: not a gzipped list of paths: {error}") from error
    if len(text) > MAX_LIST_BYTES:
        raise _too_large(address)
    if not unpack.eof:
        raise SourceError(f"{address}: the list is cut off")
    return text


def _too_large(address: str) -> SourceError:
    return SourceError(f"{address}: larger than {MAX_LIST_BYTES >> 20} MiB, which no list of a crawl is")


def has_aws_credentials() -> bool:
    """Whether boto3 finds credentials in the environment or in ~/.aws, without using the network.

    The role of a cloud instance does not count, because only the network knows it: use s3:// addresses there.
    """
    import botocore.session
    from botocore.exceptions import BotoCoreError

    session = botocore.session.get_session()
    try:
        session.get_component("credential_provider").remove("iam-role")
        return session.get_credentials() is not None
    except BotoCoreError:
        return False
