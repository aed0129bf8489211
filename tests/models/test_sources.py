"""Sources of texts: every form gives the same documents, and a damaged one names its place."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from finest.errors import FinestError
from finest.models import tables
from finest.models.documents import DatasetSource, find_files, find_sources
from tests.dataset.made import make_dataset, row
from tests.models.made import SILENT, rows, written

LINES = rows(20)


def as_form(folder: Path, suffix: str) -> Path:
    path, plain = folder / f"labels{suffix}", written(folder / "plain.jsonl", LINES)
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(LINES), path)
    elif suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(LINES[0]))
            writer.writeheader()
            writer.writerows(LINES)
    else:
        pack = {".jsonl.gz": gzip.compress, ".jsonl.zst": zstandard.compress}.get(suffix, bytes)
        path.write_bytes(pack(plain.read_bytes()))
    return path


@pytest.mark.parametrize("suffix", tables.SUFFIXES)
def test_every_form_gives_the_same_documents(tmp_path: Path, suffix: str) -> None:
    (source,) = find_files([str(as_form(tmp_path, suffix))])
    shares: list[float] = []
    found = list(source.documents(shares.append, labelled=True))
    assert [(one.text, one.label, one.group) for one in found] == [
        (line["text"], float(line["label"]), line["host"]) for line in LINES
    ]
    assert shares == sorted(shares) and 0 < shares[-1] <= 1


def test_the_group_of_a_document(tmp_path: Path) -> None:
    """A column `group` decides; else the host, without `www.`; else each page stands for itself."""
    lines = [
        {"text": "a", "group": 7, "url": "https://x.org/"},
        {"text": "a", "url": "https://www.X.org:8080/p"},
        {"text": "a", "host": "x.org."},
        {"text": "a", "url": "http://[bad"},
        {"text": "a"},
    ]
    (source,) = find_sources([str(written(tmp_path / "a.jsonl", lines))])
    found = [(one.group, one.grouped_by) for one in source.documents(SILENT, labelled=False)]
    assert found == [("7", "group"), ("x.org", "host"), ("x.org", "host"), ("", "page"), ("", "page")]


@pytest.mark.parametrize(
    ("suffix", "spoil", "says"),
    [
        (".jsonl", lambda data: data[:-30], "line 20 is not JSON"),
        (".jsonl", lambda data: data + b"[1]\n", "line 21 is no JSON object"),
        (".jsonl", lambda data: b"\xff\xfe" + data, "line 1 is not JSON"),
        (".jsonl.gz", lambda data: data[:-40], "cannot be read"),
        (".jsonl.gz", lambda data: b"no gzip" + data, "cannot be read"),
        (".jsonl.zst", lambda data: b"no zstd" + data, "cannot be read"),
        (".parquet", lambda data: data[:100], "cannot be read"),
        (".csv", lambda data: b"\xff" + data, "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_line_with_its_name(tmp_path: Path, suffix: str, spoil, says: str) -> None:
    path = as_form(tmp_path, suffix)
    path.write_bytes(spoil(path.read_bytes()))
    (source,) = find_files([str(path)])
    with pytest.raises(FinestError, match=says) as error:
        list(source.documents(SILENT, labelled=True))
    assert path.name in str(error.value) and "\n" not in str(error.value)


def test_a_line_without_an_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb of one line costs at most the limit."""
    monkeypatch.setattr(tables, "MAX_LINE_BYTES", 1 << 16)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "' + b"a" * (1 << 20)))
    (source,) = find_files([str(path)])
    with pytest.raises(FinestError, match="line 1 is longer than 65,536 bytes"):
        list(source.documents(SILENT, labelled=True))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere", "no such file, folder or OWNER/NAME@REVISION"),
        ("a.warc.gz", "add|--recipe"),
        ("table.xlsx", "no file of a kind that is read"),
        ("empty", "no manifest.json and no file ending in"),
        ("gone.parquet", "no such file"),
    ],
)
def test_a_source_that_is_none(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.xlsx").touch()
    with pytest.raises(FinestError, match=says):
        find_sources([str(tmp_path / name)])


def test_a_source_is_named_once(tmp_path: Path) -> None:
    path = str(written(tmp_path / "a.jsonl", LINES))
    with pytest.raises(FinestError, match="named twice"):
        find_sources([path, path])


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    for suffix in (".parquet", ".csv"):
        as_form(tmp_path, suffix)
    assert [Path(source.name).name for source in find_sources([str(tmp_path)])] == [
        "labels.csv", "labels.parquet", "plain.jsonl",
    ]  # fmt: skip


def test_a_dataset_is_a_source(tmp_path: Path) -> None:
    """Its root identifies it; each row's host is its group, and its id and address go beside its score."""
    made = make_dataset(tmp_path / "set")
    (source,) = find_sources([str(made.folder)])
    identity = source.identify(SILENT)
    assert (identity.form, identity.root, identity.sha256) == ("dataset", made.manifest.root, None)
    shares: list[float] = []
    found = list(source.documents(shares.append, labelled=False))
    assert [one.text for one in found] == [row(number).text for number in range(40)]
    assert {one.group for one in found} == {"example.org"}
    assert (found[3].id, found[3].url) == (row(3).id, row(3).url)
    assert shares[-1] == 1
    with pytest.raises(FinestError, match="a dataset of texts without labels"):
        find_files([str(made.folder)])


def test_a_forged_row_of_a_dataset_is_not_trained_on(tmp_path: Path) -> None:
    """A dataset's rows are read with their hashes, as everywhere."""
    made = make_dataset(tmp_path / "set")
    path = made.folder / made.manifest.shards[0].path
    table = pq.read_table(path)
    texts = table["text"].to_pylist()
    texts[0] = texts[0].replace("Page", "page")
    pq.write_table(table.set_column(0, "text", pa.array(texts)), path)
    (source,) = find_sources([str(made.folder)])
    with pytest.raises(FinestError):
        list(source.documents(SILENT, labelled=False))


def test_a_warc_becomes_a_dataset_by_its_recipe(tmp_path: Path) -> None:
    """`refined` is asked for the dataset; training then knows the WARC by the name that the user gave."""
    asked: list[str] = []

    def refined(spec: str) -> Path:
        asked.append(spec)
        return tmp_path / "made"

    (source,) = find_sources(["crawl/a.warc.gz"], refined)
    assert asked == ["crawl/a.warc.gz"] and source.name == "crawl/a.warc.gz"
    assert source == DatasetSource(str(tmp_path / "made"), "crawl/a.warc.gz")
