"""Datasets that several modules read."""

from __future__ import annotations

import pytest

from finest.dataset.rows import batch_of
from finest.dataset.shards import ShardWriter

from .made import DUMP, Made, manifest_of, row, verdict, write_shards


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A dataset of 12,000 rows in 3 row groups of 2 files."""
    folder = tmp_path_factory.mktemp("large")
    rows = [row(n) for n in range(12_000)]
    verdicts = [verdict(r) for r in rows]
    _, judged = write_shards(folder, [], verdicts)
    shards = []
    for number, part in enumerate((rows[:7_000], rows[7_000:])):
        with ShardWriter(folder, f"data/{DUMP}/{number:03d}") as writer:
            writer.write(batch_of(part))
        shards += writer.shards
    manifest = manifest_of(rows, verdicts, shards, judged)
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1))
    return Made(folder, manifest)
