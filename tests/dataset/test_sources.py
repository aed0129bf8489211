"""The sources of a large dataset lie in files beside the manifest."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from finest.dataset.card import card
from finest.dataset.check_files import check_files
from finest.dataset.manifest import read_manifest, write_manifest
from finest.dataset.open import open_dataset
from finest.dataset.sources import (
    COMMON_CRAWL,
    Source,
    SourceFile,
    SourceSlice,
    are_few,
    parse_sources,
    source_digest,
    sources_in,
    write_source_file,
)
from finest.errors import VerifyError

from .made import DUMP, Made, make_dataset

PATH = f"sources/{DUMP}/00000.json.gz"


def source(number: int, pages: int = 0, slices: int = 1) -> Source:
    """A source, of Common Crawl if its number is even."""
    parts = tuple(
        SourceSlice(offset=10 * n, length=10, sha256=hashlib.sha256(b"%d" % n).hexdigest()) for n in range(slices)
    )
    start = COMMON_CRAWL if number % 2 == 0 else "https://example.org/"
    return Source(
        name=f"{start}{number}.warc.gz", size_bytes=10 * slices, sha256=source_digest(parts), slices=parts,
        records=pages, pages=pages, losses={"truncated": 1} if pages else {},
    )  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A dataset whose sources lie in two files."""
    small = make_dataset(tmp_path)
    own = small.manifest.sources[0]
    files = (
        write_source_file(tmp_path, PATH, [own, source(1)]),
        write_source_file(tmp_path, PATH.replace("00000", "00001"), [source(2)]),
    )
    manifest = small.changed(sources=(), source_files=files)
    write_manifest(tmp_path, manifest)
    return Made(tmp_path, manifest)


def test_sources_are_read_from_their_files(made: Made) -> None:
    """Read back equal, in order; the manifest knows their sums, and the card shows them."""
    with open_dataset(str(made.folder)) as dataset:
        assert [one.name for one in dataset.sources()][1:] == [source(1).name, source(2).name]
    totals = read_manifest(made.folder).source_totals
    assert (totals.sources, totals.common_crawl, totals.pages, totals.losses) == (3, 2, 44, {"truncated": 1})
    check_files(made.folder, made.manifest)
    text = card(made.manifest)
    assert "from 3 WARC files (2 of them Common Crawl's)" in text
    assert f"| `{DUMP}` | 3 | 1,020 | 44 |" in text


def test_few_sources_lie_in_the_manifest() -> None:
    assert are_few(256, 10_000)
    assert not are_few(257, 257)
    assert not are_few(1, 10_001)


def test_equal_sources_make_equal_files(tmp_path: Path) -> None:
    assert write_source_file(tmp_path, PATH, [source(1)]) == write_source_file(tmp_path, PATH, [source(1)])


def test_files_with_other_sources_are_refused(made: Made) -> None:
    """Changed, cut, missing, too many or wrongly summed sources are named with their file."""
    file, path = made.manifest.source_files[0], made.folder / PATH
    honest = path.read_bytes()

    def refused(data: bytes, stated: SourceFile) -> str:
        with pytest.raises(VerifyError) as caught:
            parse_sources(stated, data)
        return str(caught.value)

    def as_stated(data: bytes) -> SourceFile:
        return file.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})

    assert refused(honest[:-1], file) == f"{PATH}: its sha256 is not the manifest's"
    assert "cannot be read" in refused(honest[:-9], as_stated(honest[:-9]))
    bomb = gzip.compress(b" " * (17 * 1024 * 1024))
    assert "unpacks to more than" in refused(bomb, as_stated(bomb))
    many = gzip.compress(json.dumps([0] * 1_001).encode())
    assert "not a list of at most 1000 sources" in refused(many, as_stated(many))
    less = file.model_copy(update={"totals": file.totals.model_copy(update={"pages": 43})})
    assert "do not add up" in refused(honest, less)
    path.write_bytes(honest + b"x")
    with pytest.raises(VerifyError, match=f"{PATH}: its sha256 is not"):
        list(sources_in(made.folder, made.manifest))
    with pytest.raises(VerifyError, match=f"{PATH}"):
        check_files(made.folder, made.manifest)
    path.unlink()
    with pytest.raises(VerifyError, match=PATH):
        open_dataset(str(made.folder))


def test_datasets_of_the_earlier_format_are_refused_in_plain_words(made: Made) -> None:
    """What to do stands in the message."""
    path = made.folder / "manifest.json"
    path.write_text(path.read_text().replace("finest-data/2", "finest-data/1"))
    with pytest.raises(VerifyError, match=r"earlier version .* make it again \(finest refine"):
        read_manifest(made.folder)
