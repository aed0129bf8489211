"""The rows of a dataset: FineWeb's columns, what re-checking needs, and the hash that proves a row."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

import pyarrow as pa

SCHEMA: pa.Schema = pa.schema(
    [
        ("text", pa.string()),
        ("id", pa.string()),
        ("dump", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("file_path", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("token_count", pa.int64()),
        ("warc_offset", pa.int64()),
        ("warc_length", pa.int64()),
        ("row_hash", pa.string()),
    ]
)
"""FineWeb's nine columns with FineWeb's names, order and types (https://hf.co/datasets/HuggingFaceFW/fineweb), so that
both load with one set of features; then the three that re-checking needs."""

VERDICT_SCHEMA: pa.Schema = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("file_path", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("reason", pa.string()),
        ("value", pa.float64()),
        ("limit", pa.float64()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("payload_bytes", pa.int64()),
        ("text_chars", pa.int64()),
        ("token_count", pa.int64()),
        ("duplicate_of", pa.string()),
    ]
)
"""One verdict per page record. `value` beside `limit` is the statistic that decided; `duplicate_of` the id of the page
that a duplicate lost against. Where there was nothing to measure, a column is null."""

ROW_FORMAT = b"finest-row/1"
"""Begins what is hashed for a row; another encoding gets another number."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kept page: every column of SCHEMA but `row_hash`, which follows from the others (see `row_hash`)."""

    text: str
    id: str
    """WARC-Record-ID as written, e.g. `<urn:uuid:...>`."""
    dump: str
    """Common Crawl's name of the crawl, e.g. `CC-MAIN-2025-26`."""
    url: str
    date: str
    """WARC-Date as written."""
    file_path: str
    """The source WARC, as its address names it (`s3://commoncrawl/crawl-data/...`)."""
    language: str
    language_score: float
    token_count: int
    """GPT-2 tokens, counted as FineWeb does: before e-mail and IP addresses are replaced."""
    warc_offset: int
    """Where the record begins, in bytes of the compressed file."""
    warc_length: int
    """Bytes of the compressed record."""


HASHED_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Row))
"""The columns that a row's hash covers, in order: all of SCHEMA but `row_hash`."""

_values: Callable[[Row], tuple[object, ...]] = attrgetter(*HASHED_COLUMNS)

_PYTHON_TYPES: dict[pa.DataType, type] = {pa.string(): str, pa.float64(): float, pa.int64(): int}
_KINDS = tuple((name, _PYTHON_TYPES[SCHEMA.field(name).type]) for name in HASHED_COLUMNS)


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What became of one page: the columns of VERDICT_SCHEMA."""

    id: str
    url: str
    file_path: str
    offset: int
    length: int
    reason: str
    value: float | None = None
    limit: float | None = None
    language: str | None = None
    language_score: float | None = None
    payload_bytes: int | None = None
    text_chars: int | None = None
    token_count: int | None = None
    duplicate_of: str | None = None


def columns_schema(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """The schema of single columns that are read of a whole dataset: `file_path`, of few values, as a dictionary."""
    of_few = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [schema.field(name).with_type(of_few) if name == "file_path" else schema.field(name) for name in names]
    )


def row_hash(row: Row) -> str:
    """sha256 (64 hex digits) over one row; the same in every language and on every machine.

    Hashed is the concatenation of the 12 ASCII bytes `finest-row/1` and, for each column of HASHED_COLUMNS in order:
    a string as its length in bytes (unsigned 64 bits, little-endian) followed by its UTF-8 bytes, an integer as signed
    64 bits little-endian, a real number as its IEEE 754 64 bits little-endian. No value may be missing or NaN.
    Raises ValueError where a value has no such form (a lone surrogate, NaN, an integer past 64 bits, None).
    """
    return _digest(_values(row)).hex()


def digests(batch: pa.RecordBatch) -> list[bytes]:
    """The row hashes (32 raw bytes each) of a batch, computed anew from its other columns; ValueError as `row_hash`."""
    columns = [batch.column(name).to_pylist() for name in HASHED_COLUMNS]
    return [_digest(values) for values in zip(*columns, strict=True)]


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    """Those rows as one record batch of SCHEMA, row hashes filled in; ValueError as `row_hash`."""
    columns = [[getattr(row, name) for row in rows] for name in HASHED_COLUMNS]
    return pa.record_batch([*columns, [row_hash(row) for row in rows]], schema=SCHEMA)


def with_row_hashes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its row hashes computed anew, for rows whose text was changed after they were made."""
    hashes = pa.array([digest.hex() for digest in digests(batch)], pa.string())
    return pa.record_batch([*(batch.column(name) for name in HASHED_COLUMNS), hashes], schema=SCHEMA)


def rows_of(batch: pa.RecordBatch) -> Iterator[Row]:
    """The rows of a batch of SCHEMA, without their hashes."""
    for values in zip(*(batch.column(name).to_pylist() for name in HASHED_COLUMNS), strict=True):
        yield Row(*values)


def verdict_batch(verdicts: Sequence[VerdictRow]) -> pa.RecordBatch:
    """Those verdicts as one record batch of VERDICT_SCHEMA."""
    columns = [[getattr(verdict, name) for verdict in verdicts] for name in VERDICT_SCHEMA.names]
    return pa.record_batch(columns, schema=VERDICT_SCHEMA)


def _digest(values: Iterable[object]) -> bytes:
    encoded = (_encode(name, kind, value) for (name, kind), value in zip(_KINDS, values, strict=True))
    return hashlib.sha256(ROW_FORMAT + b"".join(encoded)).digest()


def _encode(name: str, kind: type, value: object) -> bytes:
    try:
        if isinstance(value, str) and kind is str:
            data = value.encode()
            return struct.pack("<Q", len(data)) + data
        if isinstance(value, int) and kind is int:
            return struct.pack("<q", value)
        if isinstance(value, float | int) and kind is float and not math.isnan(value):
            return struct.pack("<d", value)
    except (UnicodeEncodeError, struct.error, OverflowError) as error:
        raise ValueError(f"column {name!r} holds {repr(value)[:80]}: {error}") from error
    raise ValueError(f"column {name!r} holds {repr(value)[:80]}, which is no {kind.__name__}")
