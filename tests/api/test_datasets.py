"""`finest.refine`, `finest.open_dataset` and `finest.verify`, into folders and into stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem

import finest
from finest.cli import cli

PLACE = "memory://bucket/folder"


@pytest.fixture
def store() -> Iterator[Any]:
    """fsspec's store in memory, empty."""
    files = fsspec.filesystem("memory")
    MemoryFileSystem.store.clear()
    yield files
    MemoryFileSystem.store.clear()


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> finest.Refined:
    """The sample WARC, refined into a folder."""
    return finest.refine(sample, tmp_path_factory.mktemp("made") / "dataset", workers=1, limit=40)


def stored(files: Any) -> dict[str, bytes]:
    """What lies in the store, by path."""
    return {path: files.cat_file(path) for path in files.find("/bucket")}


def again(sample: Path, refined: finest.Refined, **options: Any) -> finest.Refined:
    """The same run with its dataset in the store; its ledger is finished, so it only copies."""
    return finest.refine([sample], PLACE, workers=1, limit=40, work=refined.ledger, **options)


def test_refine_gives_what_it_made(refined: finest.Refined) -> None:
    """Counts, root and path are those of the manifest in the folder."""
    manifest = json.loads((Path(refined.path) / "manifest.json").read_bytes())
    assert dict(refined.counts) == manifest["reasons"]
    assert (refined.root, refined.rows, refined.pages) == (manifest["root"], manifest["rows"], 40)
    assert refined.ledger == Path(refined.path)


def test_a_folder_is_opened_and_verified(
    refined: finest.Refined, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its path or its file:// address; nothing is printed unasked."""
    for place in (Path(refined.path), f"file://{refined.path}"):
        with finest.open_dataset(place) as dataset:
            assert dataset.sample(5, seed=1).num_rows == 5
    assert finest.verify(refined.path, sample=6, sources=[sample]).is_verified
    assert capsys.readouterr() == ("", "")


def test_a_store_gets_the_same_dataset(store: Any, refined: finest.Refined, sample: Path) -> None:
    """Every file of the folder's dataset, byte for byte, and nothing of its ledger; it can be opened and verified."""
    assert again(sample, refined).path == PLACE
    names = [file.path for file in (*refined.manifest.shards, *refined.manifest.verdicts)]
    expected = {name: (refined.ledger / name).read_bytes() for name in [*names, "README.md", "manifest.json"]}
    assert stored(store) == {f"/bucket/folder/{name}": data for name, data in expected.items()}
    with finest.open_dataset(PLACE) as dataset:
        assert dataset.sample(5, seed=1).num_rows == 5
        assert str(dataset.place) == PLACE
    assert finest.verify(PLACE, sample=6, sources=[sample]).is_verified


def test_an_upload_that_was_cut_off_goes_on(
    store: Any, refined: finest.Refined, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the last file is there the store holds no dataset; the next call brings what is missing, and only that."""
    put: list[str] = []
    bring = MemoryFileSystem.put_file

    def put_one(self: Any, local: str, path: str, **options: Any) -> None:
        if len(put) == 1:
            raise ConnectionResetError("the line went dead")
        put.append(path)
        bring(self, local, path, **options)

    with monkeypatch.context() as broken:
        broken.setattr(MemoryFileSystem, "put_file", put_one)
        with pytest.raises(
            finest.SourceError, match=r"cannot write .* to memory://bucket/folder: ConnectionResetError"
        ):
            again(sample, refined)
    with pytest.raises(finest.VerifyError, match="holds no manifest"):
        finest.open_dataset(PLACE)
    first = put.pop()
    monkeypatch.setattr(MemoryFileSystem, "put_file", lambda *args, **more: (put.append(args[2]), bring(*args, **more)))
    again(sample, refined)
    assert first not in put
    assert put
    finest.open_dataset(PLACE).close()


def test_a_damaged_file_in_the_store_is_found(store: Any, refined: finest.Refined, sample: Path) -> None:
    """Bytes that changed fail `verify`; a file that is missing or cut off is refused when the dataset is opened."""
    again(sample, refined)
    path = f"/bucket/folder/{refined.manifest.shards[0].path}"
    whole = store.cat_file(path)
    store.pipe_file(path, whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(finest.VerifyError, match=refined.manifest.shards[0].path):
        finest.verify(PLACE, sample=0)
    store.pipe_file(path, whole[:-1])
    with pytest.raises(finest.VerifyError, match="does not exist with the"):
        finest.open_dataset(PLACE)


def test_another_dataset_is_not_replaced_unasked(
    store: Any, refined: finest.Refined, sample: Path, tmp_path: Path
) -> None:
    """A place that holds another dataset is refused before any work; `restart` replaces it and leaves other files."""
    again(sample, refined)
    store.pipe_file("/bucket/folder/data/mine.txt", b"mine")
    with pytest.raises(finest.LedgerError, match="holds another dataset already"):
        finest.refine(sample, PLACE, workers=1, limit=3, work=tmp_path / "work")
    assert not (tmp_path / "work").exists()
    other = finest.refine(sample, PLACE, workers=1, limit=3, work=tmp_path / "work", restart=True)
    assert json.loads(store.cat_file("/bucket/folder/manifest.json"))["root"] == other.root != refined.root
    assert store.cat_file("/bucket/folder/data/mine.txt") == b"mine"


def test_addresses_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    """An unknown scheme, an address without a folder, and a work folder beside a local one are mistakes of the user."""
    for out, said in (("nonsense://a/b", "nonsense"), ("memory://", "names no folder")):
        with pytest.raises(finest.UsageError, match=said):
            finest.refine("x.warc.gz", out)
    with pytest.raises(finest.UsageError, match="is a local folder"):
        finest.refine("x.warc.gz", tmp_path / "out", work=tmp_path)


@pytest.mark.nightly
def test_the_command_line_takes_an_address(store: Any, refined: finest.Refined, sample: Path) -> None:
    """`finest refine --out ADDRESS` and `finest verify ADDRESS` do the same."""
    options = ["--out", PLACE, "--work", refined.ledger, "--limit", 40, "--quiet"]
    made = CliRunner().invoke(cli, ["refine", str(sample), *map(str, options)])
    assert (made.exit_code, made.exception) == (0, None)
    assert "/bucket/folder/manifest.json" in store.find("/bucket")
    checked = CliRunner().invoke(cli, ["verify", PLACE, "--sample", "4", "--source", str(sample)])
    assert checked.exit_code == 0, checked.output
