"""How many files, row groups and ranges a dataset may cost whoever reads it."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from finest.dataset import limits, shards
from finest.dataset.limits import check_files_few, most_groups
from finest.dataset.meter import Allowance, Metered, allowance
from finest.dataset.open import open_dataset
from finest.dataset.rows import batch_of
from finest.dataset.shards import ShardWriter
from finest.errors import VerifyError

from .made import Made, make_dataset, row

SCALE = 100
"""By so much everything is smaller here than it is: row groups of 50 rows or 168 kB."""
PACKED = 16
"""Text that a recipe keeps is never stored in less than one of so many of its bytes."""


@pytest.mark.parametrize("seed", range(4))
def test_our_own_writer_keeps_within_the_row_groups(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of short rows, long ones and both in turn, in one file or several: no dataset of ours is ever refused for it."""
    monkeypatch.setattr(shards, "MAX_GROUP_ROWS", shards.MAX_GROUP_ROWS // SCALE)
    monkeypatch.setattr(shards, "MAX_GROUP_BYTES", shards.MAX_GROUP_BYTES // SCALE)
    monkeypatch.setattr(limits, "ROWS_A_GROUP", limits.ROWS_A_GROUP // SCALE)
    monkeypatch.setattr(limits, "STORED_BYTES_A_GROUP", limits.STORED_BYTES_A_GROUP // SCALE)
    rng = random.Random(seed)
    longest = (1_000, 20_000, 160_000, 400_000)[seed]
    rows = [row(n, text="x" * rng.choice((10, rng.randrange(longest), longest))) for n in range(200)]
    with ShardWriter(tmp_path, "data/CC-MAIN-2025-26/000", max_bytes=2_000_000 if seed % 2 else 10**9) as writer:
        writer.write(batch_of(rows))
    for file in writer.shards:
        meta = pq.read_metadata(tmp_path / file.path)
        unpacked = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
        assert meta.num_row_groups <= most_groups(file.rows, unpacked // PACKED)


def test_a_file_for_each_row_is_refused(tmp_path: Path) -> None:
    """Files cost as much as row groups: one for a dump's rows and one for its verdicts, but for large ones."""
    made = make_dataset(tmp_path)
    check_files_few(made.manifest)
    (shard,) = made.manifest.shards
    many = tuple(shard.model_copy(update={"path": f"{shard.path[:-8]}{n}.parquet", "rows": 10}) for n in range(4))
    with pytest.raises(VerifyError, match="data: 4 files, at most 1"):
        check_files_few(made.changed(shards=many))
    with pytest.raises(VerifyError, match="2 dumps of 1 sources"):
        check_files_few(made.changed(dumps=(*made.manifest.dumps, "CC-MAIN-2025-30")))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_dataset(tmp_path)


class Bytes:
    """A store of zeros."""

    def read(self, path: str, start: int, end: int) -> bytes:
        return bytes(end - start)


@pytest.mark.parametrize("allowed", [Allowance(2, 1_000), Allowance(1_000, 20)], ids=["ranges", "bytes"])
def test_a_dataset_that_is_read_without_end_is_refused(allowed: Allowance) -> None:
    """By ranges and by bytes, which follow from the files alone; a Hub that is slow costs nobody anything."""
    store = Metered(Bytes())
    store.allowed = allowed
    assert store.read("a", 0, 10) + store.read("a", 10, 20) == bytes(20)
    with pytest.raises(VerifyError, match="more than its rows and bytes explain"):
        store.read("a", 20, 30)


def test_what_lies_near_each_other_is_one_range(made: Made) -> None:
    """Footer, root, columns, rows and verdicts of a small dataset: a handful of ranges, far below what it may cost."""
    with open_dataset(str(made.folder)) as dataset:
        dataset.bound_reading()
        dataset.check_root()
        dataset.row_places.find([])
        dataset.read_rows(range(40))
        assert dataset.meter.ranges <= 5
        assert dataset.meter.ranges < allowance(made.manifest).ranges / 50
