"""Read `@list.txt`, a file with one source per line."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_LIST_BYTES = 1 << 30
"""Largest accepted list of sources, unpacked; a list of every WARC of a crawl takes 12 MB."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_COMMENT = re.compile(r"(?:^|\s)#.*")


def unlisted(specs: Sequence[str]) -> Iterator[str]:
    """Yield the specs, with those of a list in place of `@list.txt`."""
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
