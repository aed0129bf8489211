"""The sample of `finest verify` on a dataset of several series of files."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from finest.dataset.open import open_dataset
from finest.dataset.rows import VERDICT_SCHEMA, verdict_batch
from finest.dataset.shards import ShardWriter
from finest.errors import VerifyError
from finest.pipeline.drawn import Drawn, draw_published
from tests.dataset.made import DUMP, Made, make_series, row, verdict


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three series, of which one has no row."""
    return make_series(tmp_path_factory.mktemp("series"), [30, 0, 10], drops=20)


def drawn(folder: Path, sample: int, seed: int) -> list[Drawn]:
    with open_dataset(str(folder)) as dataset:
        return draw_published(dataset, sample, random.Random(seed))


def test_each_kept_page_comes_with_its_row(made: Made) -> None:
    """All pages of all series, with the hashes of their rows; half of a smaller sample is kept pages."""
    with open_dataset(str(made.folder)) as dataset:
        columns = dataset.row_columns("id", "row_hash")
    hashes = dict(zip(columns["id"].to_pylist(), columns["row_hash"].to_pylist(), strict=True))
    pages = drawn(made.folder, 1_000, 1)
    assert len(pages) == 100
    assert {page.place.id: page.row_hash for page in pages if page.reason == "kept"} == hashes
    assert all(page.row_hash is None for page in pages if page.reason != "kept")
    some = drawn(made.folder, 10, 1)
    assert Counter(page.reason for page in some) == {"kept": 5, "language": 5}
    assert some == drawn(made.folder, 10, 1) != drawn(made.folder, 10, 2)


def test_pages_are_drawn_evenly_from_all_series(made: Made) -> None:
    """A kept page is as likely from a series of many pages as from one of few."""
    with open_dataset(str(made.folder)) as dataset:
        pages = [page for seed in range(20) for page in draw_published(dataset, 8, random.Random(seed))]
    assert {page.place.source for page in pages} == {"0.warc.gz", "1.warc.gz", "2.warc.gz"}
    kept = Counter(page.place.source for page in pages if page.reason == "kept")
    assert 2 < kept["0.warc.gz"] / kept["2.warc.gz"] < 4.5


def test_a_kept_page_without_a_row_is_found(tmp_path: Path) -> None:
    """Its series holds as many rows as kept pages, and one of them is of another page."""
    made = make_series(tmp_path, [3, 3])
    pages = [row(1_000 + n + (n > 0), file_path="1.warc.gz") for n in range(3)]
    found = [*map(verdict, pages), verdict(row(1_500, file_path="1.warc.gz"), "language")]
    with ShardWriter(tmp_path, f"verdicts/{DUMP}/001", VERDICT_SCHEMA) as writer:
        writer.write(verdict_batch(found))
    manifest = made.changed(verdicts=(made.manifest.verdicts[0], *writer.shards))
    (tmp_path / "manifest.json").write_text(manifest.model_dump_json())
    with pytest.raises(VerifyError, match="kept according to its verdict, but no shard holds its row"):
        drawn(tmp_path, 100, 1)
