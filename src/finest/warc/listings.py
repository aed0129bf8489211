"""List the WARCs of a bucket or of any store that fsspec supports, below a folder or matching a glob."""

from __future__ import annotations

import os
import re
from glob import has_magic
from typing import TYPE_CHECKING, Any

from finest.errors import FinestError, SourceError
from finest.masking import host_of, masked_error, public_address
from finest.stores import file_system
from finest.warc.openers import s3_client, s3_errors, s3_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.warc.stream import Interrupted

SUFFIXES = (".warc", ".warc.gz", ".warc.zst", ".warc.lz4")
"""Name endings of the files taken from a folder, a glob or a prefix; a file named directly may have any name."""
_MAGIC = re.compile(r"[*?[]")


def in_bucket(spec: str) -> list[str]:
    """Return the objects that an `s3://` spec names: an object, a prefix that ends with a slash, or a glob."""
    bucket, _, key = spec.removeprefix("s3://").partition("/")
    if "@" in bucket:
        raise SourceError(
            f"s3://{host_of(spec)}/...: an s3:// address may not contain credentials; give them in AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, or in AWS_PROFILE"
        )
    if not bucket:
        raise SourceError(f"{spec}: names no bucket; write s3://bucket/key")
    if has_magic(key):
        return _in_bucket_glob(bucket, key, spec)
    if key and not key.endswith("/"):
        return [spec]
    found = sorted(f"s3://{bucket}/{name}" for name in _keys(bucket, key, spec) if name.endswith(SUFFIXES))
    if not found:
        raise SourceError(f"{spec}: holds no {', '.join(SUFFIXES)} object")
    return found


def _in_bucket_glob(bucket: str, key: str, spec: str) -> list[str]:
    """Return the objects that match a glob; an object that has the very name of the glob comes first."""
    from fsspec.utils import glob_translate

    plain = _MAGIC.split(key, maxsplit=1)[0]
    names = list(_keys(bucket, plain, spec))
    if key in names:
        return [spec]
    pattern = re.compile(glob_translate(key))
    found = sorted(f"s3://{bucket}/{name}" for name in names if pattern.match(name) and name.endswith(SUFFIXES))
    if not found:
        raise SourceError(f"{spec}: matches no {', '.join(SUFFIXES)} object")
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


def in_store(spec: str) -> list[str]:
    """Return the files that an address of a store names: a file, a folder (searched recursively) or a glob.

    `hf://datasets/owner/name/...` and `hf://buckets/owner/name/...` are the Hub's. Raises UsageError if fsspec does not
    know the kind of address, SourceError if nothing is found or the store refuses.
    """
    try:
        files, path = file_system(spec)
        return _found(files, path, spec)
    except FinestError:
        raise
    except Exception as error:  # each store's library raises errors of its own
        raise SourceError(f"{public_address(spec)}: cannot be listed: {masked_error(error)}") from error


def _found(files: Any, path: str, spec: str) -> list[str]:
    if has_magic(path):
        names, none = files.glob(path), "matches no"
    elif spec.endswith(SUFFIXES) or not (spec.endswith("/") or files.isdir(path)):
        return [spec]
    else:
        names, none = files.find(path), "holds no"
    found = sorted(_address(files, str(name), spec) for name in names if str(name).endswith(SUFFIXES))
    if not found:
        raise SourceError(f"{public_address(spec)}: {none} {', '.join(SUFFIXES)} file")
    return found


def _address(files: Any, path: str, spec: str) -> str:
    """Return the address of a listed file, with the host and user information of `spec` if its paths lack them."""
    if "host" in type(files)._get_kwargs_from_urls(spec):
        scheme, _, rest = spec.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/{path.lstrip('/')}"
    return str(files.unstrip_protocol(path))
