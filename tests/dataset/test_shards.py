"""Shards: streamed, bounded, hashed, whole or not there."""

from __future__ import annotations

import hashlib
import resource
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.dataset.rows import MAX_GROUP_ROWS, SCHEMA, batch_of
from finest.dataset.shards import Shard, ShardWriter
from finest.errors import RunError

from .made import row


def write(folder: Path, batches: list[pa.RecordBatch], max_bytes: int = 10**9) -> list[Shard]:
    """All batches through one writer."""
    with ShardWriter(folder, "data/D/000", max_bytes=max_bytes) as writer:
        for batch in batches:
            writer.write(batch)
    return writer.shards


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    """What is read back is what was written; path, rows, size and sha256 are stated."""
    rows = batch_of([row(n) for n in range(50)])
    (shard,) = write(tmp_path, [rows])

    data = (tmp_path / shard.path).read_bytes()
    assert shard == Shard(
        path="data/D/000_00000.parquet", rows=50, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    assert pq.read_table(tmp_path / shard.path) == pa.Table.from_batches([rows])
    assert [p.name for p in (tmp_path / "data/D").iterdir()] == ["000_00000.parquet"]


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 300), max_size=6))
def test_files_do_not_depend_on_batches(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    """However rows are cut in batches, the files are the same to the byte."""
    rows = batch_of([row(n) for n in range(300)])
    ends = [0, *sorted(cuts), 300]
    parts = [rows.slice(a, b - a) for a, b in pairwise(ends)]

    whole, pieces = (write(tmp_path_factory.mktemp("s"), batches, 20_000) for batches in ([rows], parts))
    assert whole == pieces


def test_row_groups_are_small(tmp_path: Path) -> None:
    """A group has at most 5,000 rows and 16 MB of text; a page past that is a group of its own."""
    small = batch_of([row(n) for n in range(12_000)])
    large = batch_of([row(n, text=f"{n} " * 1_500_000) for n in range(9)])
    (shard,) = write(tmp_path, [small, large])

    found = pq.ParquetFile(tmp_path / shard.path).metadata
    groups = [found.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert groups == [MAX_GROUP_ROWS, MAX_GROUP_ROWS, 2_005, 4]
    (huge,) = write(tmp_path, [batch_of([row(1), row(2, text="x" * 20_000_000), row(3)])])
    assert pq.ParquetFile(tmp_path / huge.path).metadata.num_row_groups == 3


def test_files_are_rolled_before_the_limit(tmp_path: Path) -> None:
    """A new file begins where the next group could pass the limit; no row is lost or doubled."""
    batches = [batch_of([row(n, text=f"{n} " * 400) for n in range(k, k + 5_000)]) for k in range(0, 30_000, 5_000)]
    limit = 14_000_000
    shards = write(tmp_path, batches, limit)

    assert len(shards) > 1
    assert [s.path for s in shards] == [f"data/D/000_{n:05d}.parquet" for n in range(len(shards))]
    assert all(s.size_bytes <= limit for s in shards)
    ids = [i for s in shards for i in pq.read_table(tmp_path / s.path, columns=["id"])["id"].to_pylist()]
    assert ids == [row(n).id for n in range(30_000)]


def test_files_are_the_hubs_optimized_parquet(tmp_path: Path) -> None:
    """zstd, page index, FineWeb's plain strings."""
    (shard,) = write(tmp_path, [batch_of([row(1)])])
    parquet = pq.ParquetFile(tmp_path / shard.path)

    column = parquet.metadata.row_group(0).column(0)
    assert parquet.schema_arrow == SCHEMA
    assert column.compression == "ZSTD"
    assert column.has_column_index
    assert column.has_offset_index


def test_no_rows_no_file(tmp_path: Path) -> None:
    """Without rows there is no file."""
    assert write(tmp_path, [batch_of([])]) == []
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_no_half_file(tmp_path: Path) -> None:
    """Where the caller fails, finished files stay and the unfinished one is gone."""
    rows = batch_of([row(n, text="x" * 4000) for n in range(5_000)])
    with pytest.raises(KeyError), ShardWriter(tmp_path, "data/D/000", max_bytes=1) as writer:  # noqa: PT012
        for _ in range(3):
            writer.write(rows)
        raise KeyError
    assert sorted(p.name for p in (tmp_path / "data/D").iterdir()) == [Path(s.path).name for s in writer.shards]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A process that may not write a file past 100 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """A file system that takes no more is a RunError that names the file; nothing half stays."""
    rows = batch_of([row(n, text=hashlib.sha512(b"%d" % n).hexdigest() * 9) for n in range(2_000)])
    with pytest.raises(RunError, match=r"cannot write .*000_00000\.parquet: File too large"):
        write(tmp_path, [rows, rows, rows])
    assert list((tmp_path / "data/D").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    """Where the folder cannot be made, the error says so."""
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        write(tmp_path, [batch_of([row(1)])])
