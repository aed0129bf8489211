"""From what a person names on the command line to the WARC files it means."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import SourceError
from finest.warc.openers import s3_client, s3_failure
from finest.warc.stream import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = (".warc", ".warc.gz", ".warc.zst", ".warc.lz4")
"""What is taken from a folder, a glob or a prefix; a file named by itself may be called anything."""

_COMMON_CRAWL_PATH = re.compile(r"crawl-data/CC-MAIN-[^/]+/\S+")
_NAMED_BY_ROWS = re.compile(r"s3://commoncrawl/(crawl-data/CC-MAIN-[A-Za-z0-9-]+(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+)")
"""What rows call a file of Common Crawl's; no part begins with a dot, and nothing in it is a wildcard or an address."""


@dataclass(frozen=True, slots=True)
class CommonCrawl:
    """Where Common Crawl's files are read, so that a mirror can stand in for it."""

    https_base: str = "https://data.commoncrawl.org"
    bucket: str = "commoncrawl"


def common_crawl_path(name: str) -> str | None:
    """The path at Common Crawl of a source that rows call `s3://commoncrawl/crawl-data/...`; None for any other name.

    Use it for every name that comes from a dataset: `resolve` also reads addresses, folders, globs and lists, and a
    stranger's name must never choose one of these.
    """
    found = _NAMED_BY_ROWS.fullmatch(name)
    return found[1] if found else None


def resolve(specs: Sequence[str], common_crawl: CommonCrawl | None = None) -> list[str]:
    """The locations that `specs` mean, in the order given; within a folder, a glob or a prefix they are sorted.

    A spec is a file, a folder (searched in depth), a glob, `s3://bucket/key`, `s3://bucket/prefix/`, `http(s)://...`, a
    Common Crawl path (`crawl-data/CC-MAIN-...`: from S3 where AWS credentials are set, else over HTTPS) or
    `@list.txt`, a file with one of these a line, paths taken from the current folder and `#` beginning a comment.
    Raises SourceError where a spec finds nothing or a location comes up twice.
    """
    common_crawl = common_crawl or CommonCrawl()
    locations: list[str] = []
    seen: dict[str, str] = {}
    for spec in _unlisted(specs):
        for location in _expand(spec, common_crawl):
            if location in seen:
                raise SourceError(f"{location} is named twice: by {seen[location]!r} and by {spec!r}")
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
        lines = [line.partition("#")[0].strip() for line in _read_list(spec[1:]).splitlines()]
        named = [line for line in lines if line]
        if not named:
            raise SourceError(f"{spec}: the list names nothing")
        if any(line.startswith("@") for line in named):
            raise SourceError(f"{spec}: a list cannot name another list; name both on the command line")
        yield from named


def _read_list(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: the list of sources cannot be read: {error}") from error


def _expand(spec: str, common_crawl: CommonCrawl) -> list[str]:
    if spec.startswith("s3://"):
        return _in_bucket(spec)
    if spec.startswith(("https://", "http://")):
        return [spec]
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


def _absolute(path: Path) -> str:
    """Absolute, with symbolic links as they are: what they are called is what the rows say."""
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
    if not bucket:
        raise SourceError(f"{spec}: names no bucket; write s3://bucket/key")
    if key and not key.endswith("/"):
        return [spec]
    found = sorted(f"s3://{bucket}/{name}" for name in _keys(bucket, key, spec) if name.endswith(SUFFIXES))
    if not found:
        raise SourceError(f"{spec}: holds no {', '.join(SUFFIXES)} object")
    return found


def _keys(bucket: str, prefix: str, spec: str) -> Iterator[str]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for page in s3_client(os.getpid()).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield item["Key"]
    except (BotoCoreError, ClientError) as error:
        failure = s3_failure(error, spec)
        raise failure if isinstance(failure, SourceError) else _unlistable(spec, failure) from error


def _unlistable(spec: str, failure: Interrupted) -> SourceError:
    return SourceError(f"{spec}: cannot be listed: {failure}; try again later")


def _at_common_crawl(key: str, common_crawl: CommonCrawl) -> str:
    if has_aws_credentials():
        return f"s3://{common_crawl.bucket}/{key}"
    return f"{common_crawl.https_base.rstrip('/')}/{key}"


def has_aws_credentials() -> bool:
    """Whether boto3 would find credentials in the environment or in ~/.aws, without asking the network.

    An instance's role, which only the network knows, does not count: for that, name s3:// yourself.
    """
    import botocore.session
    from botocore.exceptions import BotoCoreError

    session = botocore.session.get_session()
    try:
        session.get_component("credential_provider").remove("iam-role")
        return session.get_credentials() is not None
    except BotoCoreError:
        return False
