"""Each file in examples/ does on the sample WARC what it says."""

from __future__ import annotations

import ast
import gzip
import importlib.util
import json
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

import finest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = Path(finest.__file__).parent / "sample" / "sample.warc.gz"


def run(name: str, *arguments: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an example as its command line does."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def documents(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in folder.glob("*.gz") for line in gzip.open(path, "rt")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first example writes its dataset."""
    return tmp_path_factory.mktemp("examples") / "dataset"


def test_fineweb_in_twenty_lines(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It refines and verifies, in no more lines than it promises; the datasets can be sampled."""
    run("fineweb.py", SAMPLE, dataset, monkeypatch=monkeypatch)
    said = capsys.readouterr().out
    assert "48 of 151 pages kept" in said
    assert said.splitlines()[-1] == "verified"
    code = (EXAMPLES / "fineweb.py").read_text().split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    run("sample_dataset.py", dataset, monkeypatch=monkeypatch)
    sampled = capsys.readouterr().out.splitlines()
    assert len(sampled) == (10 if importlib.util.find_spec("polars") else 6)
    assert sampled[0].startswith("http")


def test_a_filter_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It drops a page of a shop, keeps prose, and works behind the whole recipe."""
    run("own_filter.py", SAMPLE, tmp_path, monkeypatch=monkeypatch)
    assert len(documents(tmp_path / "kept")) + len(documents(tmp_path / "shopping")) == 61
    assert len(documents(tmp_path / "dropped")) == 90
    from datatrove.data import Document

    shop = _loaded("own_filter.py").ShoppingFilter()
    assert shop.filter(Document(text="Buy now, add to cart, free shipping", id="1")) == (False, "shopping")
    assert shop.filter(Document(text="A walk in the woods " * 20, id="2")) is True


def test_an_extractor_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its texts pass through our filters."""
    run("own_extractor.py", SAMPLE, tmp_path, monkeypatch=monkeypatch)
    kept = documents(tmp_path / "kept")
    assert 0 < len(kept) < 150
    assert _loaded("own_extractor.py").Paragraphs().extract("<p>One <b>line</b>\n</p><div>no</div><p>two</p>") == (
        "One line\ntwo"
    )


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_datatroves_own_script_builds_the_same_steps() -> None:
    """The script beside ours names DataTrove's steps as they are called; it is not run, since it fetches a model."""
    import datatrove.pipeline.filters as theirs

    tree = ast.parse((EXAMPLES / "fineweb_in_datatrove.py").read_text())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    from finest import datatrove as ours

    filters = {name for name in called if name.endswith("Filter")}
    assert filters == {name for name in ours.__all__ if hasattr(theirs, name)}
