"""Rows of a dataset: FineWeb's columns, the columns that re-checking needs, and the hash that proves a row."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pyarrow as pa

from finest.recipe.column import Column

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
"""Columns of a row: FineWeb's nine columns with FineWeb's names, order and types
(https://hf.co/datasets/HuggingFaceFW/fineweb), so that both load with the same features; then the three that
re-checking needs."""

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
        ("error", pa.string()),
    ]
)
"""Columns of a verdict; there is one verdict per page record. `value` and `limit` are the statistic that decided and
its threshold; `duplicate_of` is the id of the page that was kept instead of a duplicate; `error` says what dropped
a page where these do not: an exception, or the span that an evaluation set matches. A column that does not apply is
null."""

MAX_GROUP_ROWS = 5_000
"""Maximum rows of a row group in a dataset's files, so that checking a sample of rows reads little."""

ROW_FORMAT = b"finest-row/1"
"""Prefix of the bytes that are hashed for a row; another encoding gets another number."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kept page: every column of SCHEMA except `row_hash`, which is computed from the others (see `row_hash`)."""

    text: str
    id: str
    """The WARC-Record-ID as written, e.g. `<urn:uuid:...>`."""
    dump: str
    """Common Crawl's name of the crawl, e.g. `CC-MAIN-2025-26`."""
    url: str
    date: str
    """The WARC-Date as written."""
    file_path: str
    """The address of the source WARC (`s3://commoncrawl/crawl-data/...`)."""
    language: str
    language_score: float
    token_count: int
    """GPT-2 tokens, counted as FineWeb does: before e-mail and IP addresses are replaced."""
    warc_offset: int
    """Offset of the record, in bytes of the compressed file."""
    warc_length: int
    """Length of the compressed record in bytes."""
    columns: tuple[tuple[str, str | int | float], ...] = ()
    """Names and values of the columns that the recipe's stages add, in their order."""


HASHED_COLUMNS: tuple[str, ...] = tuple(name for name in SCHEMA.names if name != "row_hash")
"""The columns of SCHEMA that a row's hash covers, in order: all except `row_hash`."""

_values: Callable[[Row], tuple[object, ...]] = attrgetter(*HASHED_COLUMNS)

_PYTHON_TYPES: dict[pa.DataType, type] = {pa.string(): str, pa.float64(): float, pa.int64(): int}
_KINDS = tuple((name, _PYTHON_TYPES[SCHEMA.field(name).type]) for name in HASHED_COLUMNS)


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """The outcome for one page: the columns of VERDICT_SCHEMA."""

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
    error: str | None = None


def schema_with(columns: Iterable[Column]) -> pa.Schema:
    """Return the schema of rows with these added columns, which follow the columns of SCHEMA."""
    types = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
    return pa.schema([*SCHEMA, *(pa.field(column.name, types[column.type]) for column in columns)])


def added_columns(schema: pa.Schema) -> tuple[str, ...]:
    """Return the names of the columns that stages have added to SCHEMA."""
    return tuple(schema.names[len(SCHEMA) :])


def columns_schema(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """Return the schema of selected columns; those with few distinct values become dictionaries."""
    of_few = pa.dictionary(pa.int32(), pa.string())
    few = ("file_path", "reason")
    return pa.schema([schema.field(name).with_type(of_few) if name in few else schema.field(name) for name in names])


def row_hash(row: Row) -> str:
    """Compute the sha256 of one row (64 hex digits); it is the same in every language and on every machine.

    The hash covers the 12 ASCII bytes `finest-row/1` and then each column of HASHED_COLUMNS in order: a string as its
    length in bytes (unsigned 64 bits, little-endian) followed by its UTF-8 bytes, an integer as signed 64 bits
    little-endian, a float as its IEEE 754 64 bits little-endian. Each column that a stage adds (Row.columns) follows in
    order: its name as a string, then its value. No value may be missing or NaN.

    Raises ValueError for a value without such an encoding (a lone surrogate, NaN, an integer beyond 64 bits, None).
    """
    return _digest(_values(row), row.columns).hex()


def digests(batch: pa.RecordBatch) -> list[bytes]:
    """Recompute a batch's row hashes (32 raw bytes each) from its other columns; raises ValueError as `row_hash`."""
    columns = [batch.column(name).to_pylist() for name in HASHED_COLUMNS]
    return [_digest(values, more) for values, more in zip(zip(*columns, strict=True), _added(batch), strict=True)]


def _added(batch: pa.RecordBatch) -> list[tuple[tuple[str, Any], ...]]:
    """Return the added columns of each row as pairs of name and value."""
    names = added_columns(batch.schema)
    if not names:
        return [()] * batch.num_rows
    values = zip(*(batch.column(name).to_pylist() for name in names), strict=True)
    return [tuple(zip(names, row, strict=True)) for row in values]


def batch_of(rows: Sequence[Row], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    """Return rows as one record batch of the schema, with row hashes filled in; raises ValueError as `row_hash`."""
    columns = [[getattr(row, name) for row in rows] for name in HASHED_COLUMNS]
    added = [[dict(row.columns)[name] for row in rows] for name in added_columns(schema)]
    return pa.record_batch([*columns, [row_hash(row) for row in rows], *added], schema=schema)


def with_row_hashes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with recomputed row hashes, for rows whose text was changed after they were made."""
    hashes = pa.array([digest.hex() for digest in digests(batch)], pa.string())
    added = [batch.column(name) for name in added_columns(batch.schema)]
    return pa.record_batch([*(batch.column(name) for name in HASHED_COLUMNS), hashes, *added], schema=batch.schema)


def rows_of(batch: pa.RecordBatch) -> Iterator[Row]:
    """Yield the rows of a batch, without their hashes."""
    columns = zip(*(batch.column(name).to_pylist() for name in HASHED_COLUMNS), strict=True)
    for values, added in zip(columns, _added(batch), strict=True):
        yield Row(*(*values, added))


def verdict_batch(verdicts: Sequence[VerdictRow]) -> pa.RecordBatch:
    """Return verdicts as one record batch of VERDICT_SCHEMA."""
    columns = [[getattr(verdict, name) for verdict in verdicts] for name in VERDICT_SCHEMA.names]
    return pa.record_batch(columns, schema=VERDICT_SCHEMA)


def _digest(values: Iterable[object], added: Iterable[tuple[str, object]] = ()) -> bytes:
    encoded = [_encode(name, kind, value) for (name, kind), value in zip(_KINDS, values, strict=True)]
    for name, value in added:
        encoded += [_encode(name, str, name), _encode(name, _kind(value), value)]
    return hashlib.sha256(ROW_FORMAT + b"".join(encoded)).digest()


def _kind(value: object) -> type:
    return type(value) if type(value) in (int, float) else str


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
