"""Rows: their columns and their hash."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.dataset.rows import HASHED_COLUMNS, SCHEMA, Row, batch_of, digests, row_hash, rows_of, with_row_hashes

from .made import row

FINEWEB = ["text", "id", "dump", "url", "date", "file_path", "language", "language_score", "token_count"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBER = st.integers(-(2**63), 2**63 - 1)
ROWS = st.builds(
    Row, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, st.floats(allow_nan=False), NUMBER, NUMBER, NUMBER
)  # fmt: skip


def test_columns_begin_with_finewebs() -> None:
    """FineWeb's nine columns come first, in FineWeb's order."""
    assert SCHEMA.names[:9] == FINEWEB
    assert SCHEMA.names == [*HASHED_COLUMNS, "row_hash"]


def test_hash_is_what_the_docstring_says() -> None:
    """The hash can be computed anew from its description alone."""
    r = row(3, text="Grüße", language_score=0.75)

    def s(value: str) -> bytes:
        return len(value.encode()).to_bytes(8, "little") + value.encode()

    plain = b"finest-row/1" + b"".join(map(s, (r.text, r.id, r.dump, r.url, r.date, r.file_path, r.language)))
    plain += struct.pack("<dqqq", 0.75, r.token_count, r.warc_offset, r.warc_length)

    assert row_hash(r) == hashlib.sha256(plain).hexdigest()


def test_hash_is_fixed() -> None:
    """The hash of a known row never changes while the format is finest-row/1."""
    r = Row("Text.", "<urn:uuid:1>", "CC-MAIN-2025-26", "https://a.b/", "2025-01-01T00:00:00Z", "x", "en", 0.5, 2, 7, 9)

    assert row_hash(r) == "8dac17fc2d45e066135887fd84addd08e5ca74a2b9cfcd25322ab025fb37dedc"


@pytest.mark.parametrize("name", HASHED_COLUMNS)
def test_every_column_counts(name: str) -> None:
    """Another value in any column gives another hash."""
    value: Any = getattr(row(1), name)
    changed = replace(row(1), **{name: value + ("x" if isinstance(value, str) else 1)})

    assert row_hash(changed) != row_hash(row(1))


def test_text_cannot_move_between_columns() -> None:
    """Where one column ends and the next begins is part of the hash."""
    assert row_hash(row(1, text="ab", id="c")) != row_hash(row(1, text="a", id="bc"))


@given(st.lists(ROWS, max_size=4))
def test_rows_survive_arrow(rows: list[Row]) -> None:
    """Rows come back from a batch as they were, and hash as they did."""
    batch = batch_of(rows)

    assert list(rows_of(batch)) == rows
    assert [d.hex() for d in digests(batch)] == [row_hash(r) for r in rows] == batch["row_hash"].to_pylist()


@pytest.mark.parametrize(
    "change", [{"text": "\ud800"}, {"text": None}, {"language_score": float("nan")}, {"token_count": 2**63}]
)
def test_what_cannot_be_hashed_is_refused(change: dict[str, Any]) -> None:
    """A value without a canonical form is an error that names its column."""
    with pytest.raises(ValueError, match=next(iter(change))):
        row_hash(row(1, **change))


def test_hashes_follow_a_changed_text() -> None:
    """A batch whose text was changed gets new hashes."""
    batch = batch_of([row(1)])
    changed = batch.set_column(0, "text", batch_of([row(1, text="Other.")])["text"])

    assert with_row_hashes(changed).equals(batch_of([row(1, text="Other.")]))
