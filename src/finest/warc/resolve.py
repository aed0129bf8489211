"""Resolve the sources named on the command line to the locations of WARC files."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from finest.errors import SourceError
from finest.masking import host_of, public_address
from finest.warc.openers import s3_client, s3_errors, s3_failure
from finest.warc.stream import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = (".warc", ".warc.gz", ".warc.zst", ".warc.lz4")
"""Name endings of the files taken from a folder, a glob or a prefix; a file named directly may have any name."""

MAX_LIST_BYTES = 1 << 30
"""Largest accepted list of sources, unpacked; a list of every WARC of a crawl takes 12 MB."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_COMMENT = re.compile(r"(?:^|\s)#.*")
_COMMON_CRAWL_PATH = re.compile(r"crawl-data/CC-MAIN-[^/]+/\S+")
_NAMED_BY_ROWS = re.compile(r"s3://commoncrawl/(crawl-data/CC-MAIN-[A-Za-z0-9-]+(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+)")
"""A Common Crawl file's name in the rows; no path component begins with a dot, and it holds no wildcard or address."""


@dataclass(frozen=True, slots=True)
class CommonCrawl:
    """Where to read Common Crawl's files; a mirror can replace it."""

    https_base: str = "https://data.commoncrawl.org"
    bucket: str = "commoncrawl"


def common_crawl_path(name: str) -> str | None:
    """Return the path at Common Crawl of a source named `s3://commoncrawl/crawl-data/...`; None for any other name.

    Pass every name from a dataset through it: `resolve` also reads addresses, folders, globs and lists, and an
    untrusted name must never reach any of these.
    """
    found = _NAMED_BY_ROWS.fullmatch(name)
    return found[1] if found else None


def resolve(specs: Sequence[str], common_crawl: CommonCrawl | None = None) -> list[str]:
    """Return the locations that `specs` name, in the order given; those of a folder, glob or prefix are sorted.

    A spec is a file, a folder (searched recursively), a glob, `s3://bucket/key`, `s3://bucket/prefix/`,
    `http(s)://...`, a Common Crawl path (`crawl-data/CC-MAIN-...`: read from S3 if AWS credentials are set, else over
    HTTPS) or `@list.txt`, a file with one of these per line. In a list, paths are relative to the current folder, and
    `#` at the start of a line or after a space begins a comment; a list may be gzipped and is in UTF-8 or UTF-16.
    Raises SourceError if a spec matches nothing or two specs name the same location.
    """
    common_crawl = common_crawl or CommonCrawl()
    locations: list[str] = []
    seen: dict[str, str] = {}
    for spec in _unlisted(specs):
        for location in _expand(spec, common_crawl):
            if location in seen:
                by = f"by {_shown(seen[location])!r} and by {_shown(spec)!r}"
                raise SourceError(f"{public_address(location)} is named twice: {by}")
            seen[location] = spec
            locations.append(location)
    if not locations:
        raise SourceError("no source is named; give WARC files, folders, globs, s3://, https:// or crawl-data/...")
    return locations


def _unlisted(specs: Sequence[str]) -> Iterator[str]:
    for spec in specs:
        if not spec.startswith("@"):
            yield spec
            continue
        lines = [_COMMENT.sub("", line).strip() for line in re.split(r"[\r\n]+", _read_list(spec[1:]))]
        named = [line for line in lines if line]
        if not named:
            raise SourceError(f"{spec}: the list names nothing")
        if any(line.startswith("@") for line in named):
            raise SourceError(f"{spec}: a list cannot contain another list; name both on the command line")
        yield from named


def _shown(spec: str) -> str:
    return public_address(spec) if spec.startswith(("https://", "http://")) else spec


def _read_list(path: str) -> str:
    """Return the text of a list, gzipped or not, in UTF-8 or UTF-16; surrogates stand for bytes that are not UTF-8."""
    try:
        with open(Path(path).expanduser(), "rb") as file:
            data = _unpacked(file.read(MAX_LIST_BYTES + 1))
        if len(data) > MAX_LIST_BYTES:
            raise SourceError(f"{path}: larger than {MAX_LIST_BYTES} bytes, which no list of sources is")
        return _decoded(data)
    except OSError as error:
        raise SourceError(f"{path}: the list of sources cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error, ValueError) as error:
        raise SourceError(f"{path}: the list of sources is damaged: {error}") from error


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    with gzip.open(io.BytesIO(data)) as inside:
        return inside.read(MAX_LIST_BYTES + 1)


def _decoded(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    if data[1:2] == b"\0" or data[:1] == b"\0":  # no path holds a zero byte: UTF-16 without a byte order mark
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
    if b"\0" in data:
        raise ValueError("it is not text")
    return data.decode("utf-8", "surrogateescape")  # as os.fsdecode does for file names


def _expand(spec: str, common_crawl: CommonCrawl) -> list[str]:
    if spec.startswith("s3://"):
        return _in_bucket(spec)
    if spec.startswith(("https://", "http://")):
        return [_checked(spec)]
    if "\0" in spec:
        raise SourceError(f"{spec}: no file's name holds a zero byte")
    if "://" in spec:
        raise SourceError(f"{spec}: only s3:// and http(s):// can be read; copy the file here")
    path = Path(spec).expanduser()
    if path.is_dir():
        return _in_folder(path, spec)
    if path.exists():
        return [_absolute(path)]
    if _COMMON_CRAWL_PATH.fullmatch(spec):
        return [_at_common_crawl(spec, common_crawl)]
    if glob.has_magic(spec):
        return _in_glob(path, spec)
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


def _in_bucket(spec: str) -> list[str]:
    bucket, _, key = spec.removeprefix("s3://").partition("/")
    if "@" in bucket:
        raise SourceError(
            f"s3://{host_of(spec)}/...: an s3:// address may not contain credentials; give them in AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, or in AWS_PROFILE"
        )
    if not bucket:
        raise SourceError(f"{spec}: names no bucket; write s3://bucket/key")
    if key and not key.endswith("/"):
        return [spec]
    found = sorted(f"s3://{bucket}/{name}" for name in _keys(bucket, key, spec) if name.endswith(SUFFIXES))
    if not found:
        raise SourceError(f"{spec}: holds no {', '.join(SUFFIXES)} object")
    return found


def _keys(bucket: str, prefix: str, spec: str) -> Iterator[str]:
    try:
        for page in s3_client(os.getpid()).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield item["Key"]
    except s3_errors() as error:
        failure = s3_failure(error, spec)
        raise (failure if isinstance(failure, SourceError) else _unlistable(spec, failure)) from None


def _unlistable(spec: str, failure: Interrupted) -> SourceError:
    return SourceError(f"{spec}: cannot be listed: {failure}; try again later")


def _at_common_crawl(key: str, common_crawl: CommonCrawl) -> str:
    if has_aws_credentials():
        return f"s3://{common_crawl.bucket}/{key}"
    return f"{common_crawl.https_base.rstrip('/')}/{key}"


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
