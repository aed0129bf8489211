"""Read rows of Parquet, JSONL and CSV files as a stream, in bounded memory.

A row that cannot be read raises SourceError with the file, the row and the reason: wrong labels would make a wrong
model, so none is skipped silently.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from finest.errors import SourceError

Form = Literal["parquet", "jsonl", "csv"]
Row = Mapping[str, Any]
Progress = Callable[[int], None]
"""Receives the number of bytes of the file that have been read so far."""

SUFFIXES: dict[str, Form] = {
    ".parquet": "parquet", ".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".jsonl.zst": "jsonl", ".csv": "csv",
}  # fmt: skip
MAX_LINE_BYTES = 64 << 20
"""Maximum length of a JSONL line or a CSV field. A page of Common Crawl is cut at 1 MiB (5 MiB since 2025), and JSON
may write each of its bytes as six."""
_BATCH_ROWS = 256
"""Rows decoded at a time: 256 pages have a few megabytes."""


def form_of(path: str) -> Form | None:
    """Return the form of a file by the ending of its name; None for another ending."""
    return next((form for suffix, form in SUFFIXES.items() if path.lower().endswith(suffix)), None)


def read_rows(path: Path, needed: Sequence[str], wanted: Sequence[str], progress: Progress) -> Iterator[Row]:
    """Yield each row of a file as a dictionary of the columns in `needed`, and of those in `wanted` that it has.

    Raises SourceError if the file cannot be read or lacks a needed column.
    """
    form = form_of(path.name)
    if form is None:
        raise SourceError(f"{path}: neither of {', '.join(SUFFIXES)}")
    readers = {"parquet": _parquet, "jsonl": _jsonl, "csv": _csv}
    with _plainly(path):
        yield from readers[form](path, needed, wanted, progress)


def _parquet(path: Path, needed: Sequence[str], wanted: Sequence[str], progress: Progress) -> Iterator[Row]:
    # pre_buffer would hold the compressed columns of a whole file at once.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        _require(path, needed, names)
        columns = [name for name in (*needed, *wanted) if name in names]
        rows, size = 0, path.stat().st_size
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns, use_threads=False):
            yield from batch.to_pylist()
            rows += batch.num_rows
            progress(size * rows // max(file.metadata.num_rows, 1))


def _jsonl(path: Path, needed: Sequence[str], wanted: Sequence[str], progress: Progress) -> Iterator[Row]:
    with path.open("rb") as raw, _unpacked(path, raw) as lines:
        number = 0
        while line := lines.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise SourceError(f"{path}: line {number} is longer than {MAX_LINE_BYTES:,} bytes")
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise SourceError(f"{path}: line {number} is not JSON: {error}") from None
            if not isinstance(row, dict):
                raise SourceError(f"{path}: line {number} is no JSON object")
            _require(path, needed, list(row), f"line {number}")
            yield {name: row[name] for name in (*needed, *wanted) if name in row}
            progress(raw.tell())


def _csv(path: Path, needed: Sequence[str], wanted: Sequence[str], progress: Progress) -> Iterator[Row]:
    csv.field_size_limit(min(MAX_LINE_BYTES, sys.maxsize))
    with path.open("rb") as raw:
        reader = csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
        names = list(reader.fieldnames or [])
        _require(path, needed, names)
        columns = [name for name in (*needed, *wanted) if name in names]
        try:
            for row in reader:
                yield {name: row[name] for name in columns}
                progress(raw.tell())
        except csv.Error as error:
            raise SourceError(f"{path}: line {reader.line_num}: {error}") from None


def _require(path: Path, needed: Sequence[str], names: Sequence[str], place: str = "") -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        where = f"{path}: {place}" if place else str(path)
        has = ", ".join(map(str, names[:12])) or "no column"
        raise SourceError(f"{where} has no column {missing[0]!r}; it has {has}")


@contextmanager
def _unpacked(path: Path, raw: BinaryIO) -> Iterator[BinaryIO]:
    """Undo gzip or zstd, by the name's ending."""
    if path.name.lower().endswith(".gz"):
        from isal import igzip

        with igzip.open(raw, "rb") as lines:  # type: ignore[no-untyped-call]
            yield lines
    elif path.name.lower().endswith(".zst"):
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream:
            yield io.BufferedReader(stream)
    else:
        yield raw


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises about the file into SourceError with its name."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200]
        raise SourceError(f"{path}: cannot be read: {reason}") from error
    except Exception as error:
        if type(error).__name__ == "ZstdError":
            raise SourceError(f"{path}: cannot be read: {error}") from error
        raise
