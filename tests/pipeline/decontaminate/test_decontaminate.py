"""From evaluation sets to an index, to verdicts of a run, and to a finished dataset without their items."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.dataset.hub import Hub, RemoteFile, Revision
from finest.dataset.manifest import read_manifest
from finest.errors import RecipeError, UsageError, VerifyError
from finest.pipeline.decontaminate.indexes import make_index, provide_index
from finest.pipeline.decontaminate.sets import find_set, read_items
from finest.pipeline.verify import verify
from finest.pipeline.why import find_verdicts
from finest.recipe.decontaminate.place import cached_index
from finest.recipe.recipe import Recipe, load_recipe
from finest.recipe.stages.decontaminate import DecontaminateRules
from finest.settings import default_cache
from tests.validator.made import NOWHERE, Published, make

from .conftest import questions

REVISION = "4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c"


def no_hub() -> Hub:
    raise AssertionError("no set of this test is on the Hub")


def texts(path: Path, *fields: str) -> list[tuple[int, str]]:
    return [tuple(item) for item in read_items(find_set(str(path), no_hub), fields)]  # type: ignore[misc]


def write_recipe(path: Path, built: tuple[Path, str], **changes: str) -> Path:
    """`fineweb` with decontamination."""
    rules = {"enabled": "true", "index": f'"{built[0]}"', "index_sha256": f'"{built[1]}"'} | changes
    text = f'name = "clean"\n[decontaminate]\n{"".join(f"{key} = {value}{chr(10)}" for key, value in rules.items())}'
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def clean(warc: Path, index: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("clean")
    return make(folder / "clean", [warc], str(write_recipe(folder / "clean.toml", index)))


@pytest.mark.nightly
def test_a_run_drops_what_a_scan_finds(
    whole: Published, clean: Published, index: tuple[Path, str], tmp_path: Path
) -> None:
    """The stage, the scan of a finished dataset and its subset agree row by row, and all verify."""
    found = CliRunner().invoke(cli, ["decontaminate", str(whole.folder), "--index", str(index[0]), "--json"])
    hits = {hit["id"]: hit for hit in map(json.loads, found.stdout.splitlines())}
    dropped = {verdict.id: verdict for verdict in clean.verdicts() if verdict.reason == "contaminated"}
    assert 0 < len(hits) < len(whole.rows())
    assert hits.keys() == dropped.keys()
    assert all(dropped[id].error == hit["detail"] for id, hit in hits.items())
    row = next(row for row in whole.rows() if row.id in hits)
    start, end = (int(word) for word in hits[row.id]["detail"].split("characters ")[1].split()[:3:2])
    assert row.text[start:end].rstrip(".") in " ".join(questions())
    assert read_manifest(clean.folder).reasons["contaminated"] == len(hits)
    verify(clean.folder, default_cache(), NOWHERE, sample=4, seed=1, sources=[str(clean.warcs[0])])
    out = tmp_path / "subset"
    done = CliRunner().invoke(cli, ["decontaminate", str(whole.folder), "--index", str(index[0]), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert read_manifest(out).root == read_manifest(clean.folder).root
    assert find_verdicts(out, row.id)[0]["reason"] == "contaminated"


def test_why_names_the_set_and_the_span(clean: Published) -> None:
    """The line with the set, the item and the matched words."""
    dropped = next(verdict for verdict in clean.verdicts() if verdict.reason == "contaminated")
    shown = CliRunner().invoke(cli, ["why", dropped.id, "--in", str(clean.folder)])
    assert "found: quiz, record " in shown.output
    assert "contaminated" in shown.output


def test_another_index_is_another_recipe(index: tuple[Path, str], tmp_path: Path) -> None:
    """The hash covers the sha256 and the thresholds, and not the place; shipped recipes have no such section."""
    same = load_recipe(str(write_recipe(tmp_path / "a.toml", index)))
    elsewhere = load_recipe(str(write_recipe(tmp_path / "b.toml", (tmp_path / "y.decon", index[1]))))
    other = load_recipe(str(write_recipe(tmp_path / "c.toml", (index[0], "0" * 64))))
    looser = load_recipe(str(write_recipe(tmp_path / "d.toml", index, min_matches="9")))
    assert same.hash == elsewhere.hash
    assert len({same.hash, other.hash, looser.hash, Recipe(name="clean").hash}) == 4
    assert same.resolved()["decontaminate"]["index"] == "x.decon"
    assert "decontaminate" not in load_recipe("finest").resolved()


def test_a_false_sha256_or_a_missing_index(index: tuple[Path, str], tmp_path: Path) -> None:
    """Nothing is judged with another index; the message names the file and the next command."""
    false = load_recipe(str(write_recipe(tmp_path / "a.toml", (index[0], "0" * 64))))
    with pytest.raises(RecipeError, match="its sha256 is"):
        provide_index(false, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    gone = load_recipe(str(write_recipe(tmp_path / "b.toml", (tmp_path / "no.decon", index[1]))))
    with pytest.raises(RecipeError, match="finest decontaminate build"):
        provide_index(gone, tmp_path / "cache")
    here = load_recipe(str(write_recipe(tmp_path / "c.toml", index)))
    assert provide_index(here, tmp_path / "cache") == cached_index(tmp_path / "cache", index[1])
    assert provide_index(gone, tmp_path / "cache") == cached_index(tmp_path / "cache", index[1])


@pytest.mark.parametrize("changes", [
    {"enabled": True}, {"index": "x.txt"}, {"index": f"hf:a/b@{'0' * 39}:x.decon"}, {"index": "hf:a/b:x.decon"},
    {"min_matches": 0}, {"min_percent": 101}, {"index_sha256": "0"},
])  # fmt: skip
def test_rules_that_name_no_index(changes: dict[str, Any]) -> None:
    """Are refused when the recipe is read."""
    with pytest.raises(ValueError, match=r"index|greater|less"):
        DecontaminateRules(**changes)


def test_files_of_sets(tmp_path: Path) -> None:
    """JSON lines, also compressed, Parquet and plain lines; lists are joined, records without a text passed over."""
    records = [{"id": 1, "question": "one?", "choices": ["a", "b"]}, {"id": 2, "question": None, "choices": []},
               {"id": 3, "question": "three?", "choices": ["c"]}]  # fmt: skip
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "c.parquet")
    (tmp_path / "d.txt").write_text("one?\n\nthree?\n")
    for name in ("a.jsonl", "b.jsonl.gz", "c.parquet"):
        assert texts(tmp_path / name) == [(0, "one?"), (2, "three?")]
        assert texts(tmp_path / name, "question", "choices") == [(0, "one?\na\nb"), (2, "three?\nc")]
    assert texts(tmp_path / "d.txt") == [(0, "one?\n"), (1, "three?\n")]


@pytest.mark.parametrize(("name", "data", "why"), [
    ("a.csv", b"x", "the files of a set are"), ("a.jsonl", b'{"a": 1}\n', "none of the fields"),
    ("a.jsonl", b'{"question": "x"}\n[1]\n', "record 1: a line is no JSON object"),
    ("a.jsonl", b"\xff\n", "record 0"), ("a.jsonl.gz", b"no gzip", "record 0"), ("a.parquet", b"PAR1", "record 0"),
    ("a.jsonl", b"[" * 100_000, "record 0"), ("=.jsonl", b"x", "no such file|cannot name"),
])  # fmt: skip
def test_unreadable_sets(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    """Name the file, the record and the reason in one line."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=why):
        make_index([str(tmp_path / name)], tmp_path / "x.decon", fields=(), n=4, min_words=8)
    assert not (tmp_path / "x.decon").exists()


class Files(Hub):
    """A client that knows one repository."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._held = files

    def files(self, revision: Revision) -> dict[str, RemoteFile]:
        return {name: RemoteFile(name, len(data), "", None) for name, data in self._held.items()}

    def read(self, revision: Revision, path: str, start: int, end: int) -> bytes:
        return self._held[path][start:end]


def test_sets_on_the_hub() -> None:
    """By revision and pattern, in the order of the names; a set without a revision is refused."""
    hub = Files({"b.jsonl": b'{"text": "b"}\n', "a.jsonl": b'{"text": "a"}\n', "README.md": b"", "c.csv": b""})
    found = find_set(f"hf:alice/quiz@{REVISION}:*.jsonl", lambda: hub)
    assert found.name == "quiz"
    assert [tuple(item) for item in read_items(found, ())] == [(0, "a"), (1, "b")]
    assert find_set(f"other=hf:alice/quiz@{REVISION}", lambda: hub).name == "other"
    for spec in ("hf:alice/quiz", f"hf:alice/quiz@{REVISION}:*.parquet", f"hf:alice/quiz@{REVISION}:*.csv"):
        with pytest.raises(UsageError):
            find_set(spec, lambda: hub)


def test_an_index_on_the_hub(index: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is fetched into the cache by its sha256; another file under that name is not."""
    place = f'"hf:alice/quiz@{REVISION}:sets/x.decon"'
    for data, right in ((b"another file", False), (index[0].read_bytes(), True)):
        hub = Files({"sets/x.decon": data})
        monkeypatch.setattr("finest.pipeline.decontaminate.indexes.Hub", lambda *_, hub=hub: hub)
        monkeypatch.setattr(RemoteFile, "holds", lambda *_: True)
        recipe = load_recipe(str(write_recipe(tmp_path / "a.toml", index, index=place)))
        if right:
            path = provide_index(recipe, tmp_path / "cache")
            assert path is not None
            assert path.read_bytes() == data
        else:
            with pytest.raises(VerifyError, match="the recipe asks for"):
                provide_index(recipe, tmp_path / "cache")
            assert not (tmp_path / "cache").exists()
