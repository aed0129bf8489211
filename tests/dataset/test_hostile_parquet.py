"""Parquet that was made to do harm is refused, soon and cheaply.

Each file is stated honestly in the manifest, so that only its content can give it away.
"""

from __future__ import annotations

import hashlib
import random
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finest.dataset.open import open_dataset
from finest.dataset.rows import SCHEMA, batch_of
from finest.errors import VerifyError
from tests.deep import sampled

from .made import DUMP, make_dataset, row

pytestmark = pytest.mark.slow
SOON_S = 30.0
"""No hostile file may hold up who opens it longer."""
GROUP_ROWS = 5_000


def forged(folder: Path, data: bytes, rows: int) -> Path:
    """A dataset whose shard holds those bytes."""
    made = make_dataset(folder, kept=rows)
    shard = made.manifest.shards[0]
    (folder / shard.path).write_bytes(data)
    stated = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = made.changed(shards=(shard.model_copy(update=stated),))
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", store_schema=False, **options)
    return bytes(sink.getvalue())


def rows_table(count: int, **columns: pa.Array) -> pa.Table:
    """Rows of the right schema, some columns of which are others."""
    batch = batch_of([row(n) for n in range(count)])
    arrays = [columns.get(name, batch.column(number)) for number, name in enumerate(SCHEMA.names)]
    return pa.table(arrays, names=SCHEMA.names)


def dictionary_bomb() -> bytes:
    """5,000 rows that all point at one text of 60 MB: 300 GB once it is unpacked, a few kilobytes before."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * GROUP_ROWS, pa.int32()), pa.array(["a" * 60_000_000]))
    table = rows_table(GROUP_ROWS, text=text)
    return parquet(table, use_dictionary=["text"], dictionary_pagesize_limit=1 << 30, row_group_size=GROUP_ROWS)


def page_bomb() -> bytes:
    """300 texts of 1 MB of the same letter, which take 50 kB."""
    return parquet(rows_table(300, text=pa.array(["a" * 1_000_000] * 300)), use_dictionary=False)


def long_footer() -> bytes:
    """Says that its footer is 200 MB, and it is."""
    return b"PAR1" + b"\x15" * 200_000_000 + struct.pack("<I", 200_000_000) + b"PAR1"


def footer_of_lists() -> bytes:
    """A footer of 15 MB that opens lists in lists: each byte would become hundreds."""
    body = (b"\x15\x02\x19\xfc" + b"\xff\xff\x3f" + b"\x00" * 15_000_000)[:15_000_000]
    return b"PAR1" + body + struct.pack("<I", len(body)) + b"PAR1"


def footer_past_the_file() -> bytes:
    """A footer longer than the file."""
    return b"PAR1" + b"x" * 100 + struct.pack("<I", 4_000_000_000) + b"PAR1"


def altered_row() -> bytes:
    """A text that is not the one that was hashed."""
    texts = [row(n).text for n in range(40)]
    return parquet(rows_table(40, text=pa.array(["Buy now!", *texts[1:]])))


def one_row_groups() -> bytes:
    """300 rows in 300 row groups: whoever reads them by ranges asks 300 times for nothing."""
    return parquet(rows_table(300), row_group_size=1)


HOSTILE: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "page bomb": (page_bomb, 300, "row group 0 is larger"),
    "long footer": (long_footer, 40, "a footer of 200000000 bytes"),
    "footer of lists": (footer_of_lists, 40, ""),
    "footer past the file": (footer_past_the_file, 40, "not a Parquet file"),
    "a web page": (lambda: b"<!DOCTYPE html>" * 10, 40, "not a Parquet file"),
    "nothing": (lambda: b"", 40, "not a Parquet file"),
    "large groups": (lambda: parquet(rows_table(6_000)), 6_000, "row group 0 is larger"),
    "one-row groups": (one_row_groups, 300, "300 row groups of 300 rows, at most"),
    "other columns": (lambda: parquet(rows_table(40).select(["text", "id"])), 40, "its columns are not"),
    "fewer rows": (lambda: parquet(rows_table(39)), 40, "rows is 39"),
    "altered row": (altered_row, 40, "is altered"),
    "no ids": (lambda: parquet(rows_table(40, id=pa.nulls(40, pa.string()))), 40, "column id has empty fields"),
    "no text": (lambda: parquet(rows_table(40, text=pa.array([b"\xff\xfe"] * 40, pa.binary()))), 40, "columns are not"),
    "dictionary bomb": (dictionary_bomb, GROUP_ROWS, ""),
}


@pytest.mark.parametrize("kind", sampled(HOSTILE, 3))
def test_hostile_parquet_is_refused(kind: str, tmp_path: Path) -> None:
    """By name, within seconds, and without taking the memory of whoever opened it."""
    make, rows, says = HOSTILE[kind]
    folder = forged(tmp_path, make(), rows)
    began = time.monotonic()
    with open_dataset(str(folder)) as dataset, pytest.raises(VerifyError, match=says or DUMP):
        dataset.sample(40, 1)
    assert time.monotonic() - began < SOON_S


def test_a_column_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Where a whole column is read, in rows that nobody drew as well."""
    bytes_ = pa.array([b"https://example.org/", *[b"\xff\xfe"] * 39], pa.binary())
    url = pa.Array.from_buffers(pa.string(), 40, bytes_.buffers())
    with open_dataset(str(forged(tmp_path, parquet(rows_table(40, url=url)), 40))) as dataset:
        with pytest.raises(VerifyError, match="cannot be read"):
            dataset.row_columns("url")


@pytest.mark.nightly
def test_flipped_bits_are_never_more_than_refused(tmp_path: Path) -> None:
    """Whatever bits are wrong, the answer is the honest rows or a VerifyError."""
    honest, chance = parquet(rows_table(40)), random.Random(3)
    for number in range(12):
        data = bytearray(honest)
        first = 4 if number % 2 else len(data) - 2_000
        for _ in range(20):
            data[chance.randrange(first, len(data) - 4)] ^= 1 << chance.randrange(8)
        with open_dataset(str(forged(tmp_path / str(number), bytes(data), 40))) as dataset, suppress(VerifyError):
            assert dataset.sample(40, 1).num_rows == 40
