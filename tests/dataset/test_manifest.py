"""The manifest: written whole, read with suspicion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from finest.dataset import manifest as module
from finest.dataset.manifest import Manifest, read_manifest, recipe_hash, write_manifest
from finest.errors import VerifyError
from finest.recipe.recipe import Recipe

from .made import make_dataset


@pytest.fixture
def plain(tmp_path: Path) -> dict[str, Any]:
    """An honest manifest as plain data; its file lies in tmp_path."""
    make_dataset(tmp_path)
    data: dict[str, Any] = json.loads((tmp_path / "manifest.json").read_bytes())
    return data


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A manifest comes back as it was, and leaves nothing beside it."""
    made = make_dataset(tmp_path)

    assert read_manifest(tmp_path) == made.manifest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "manifest.json", "verdicts"]


def test_same_manifest_same_bytes(tmp_path: Path) -> None:
    """Nothing in it depends on the moment or the machine."""
    made = make_dataset(tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    write_manifest(tmp_path, made.manifest)

    assert (tmp_path / "manifest.json").read_bytes() == before


def test_recipe_hash_is_the_recipes() -> None:
    """The hash of a recipe's data is the recipe's own hash, also after a way through JSON."""
    recipe = Recipe(name="mine")
    assert recipe_hash(json.loads(json.dumps(recipe.model_dump(mode="json")))) == recipe.hash


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": "finest-data/9"}']
)
def test_garbled_files_are_refused(tmp_path: Path, data: bytes) -> None:
    """Whatever is not a manifest is one clear error that names the file."""
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(VerifyError, match=r"manifest\.json: ."):
        read_manifest(tmp_path)


def test_no_manifest(tmp_path: Path) -> None:
    """A folder without a manifest is no dataset."""
    with pytest.raises(VerifyError, match="No such file"):
        read_manifest(tmp_path)


def test_huge_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file past the limit is refused without being parsed."""
    monkeypatch.setattr(module, "MAX_MANIFEST_BYTES", 100)
    make_dataset(tmp_path)
    with pytest.raises(VerifyError, match="larger than 100 bytes"):
        read_manifest(tmp_path)


LIES = [
    ("rows", 41, "its shards hold 40"),
    ("rows", "40", "rows: Input should be a valid integer"),
    ("rows", -1, "greater than or equal to 0"),
    ("rows", 2**63, "rows"),
    ("root", "f" * 63, "root"),
    ("root", "F" * 64, "root"),
    ("recipe_hash", "0" * 64, "not the hash of the recipe"),
    ("reasons", {"kept": 40}, "the verdict files hold 44"),
    ("reasons", {"kept": 40, "boredom": 4}, "no reason is called 'boredom'"),
    ("reasons", {"kept": 39, "duplicate": 5}, "39 pages were kept"),
    ("languages", {"en": 39}, "languages do not add up"),
    ("losses", {}, "losses are not those of the sources"),
    ("dumps", ["../../etc"], "dumps.0"),
    ("dumps", ["OTHER"], "is not data/<dump>/<file>"),
    ("surprise", 1, "surprise: Extra inputs"),
    ("shards.0.path", "/etc/passwd.parquet", "shards.0.path"),
    ("shards.0.path", "data/../../x.parquet", "shards.0.path"),
    ("shards.0.path", "data/CC-MAIN-2025-26/../x.parquet", "shards.0.path"),
    ("shards.0.path", "verdicts/CC-MAIN-2025-26/000_00000.parquet", "a file is named twice"),
    ("shards.0.path", "else/CC-MAIN-2025-26/000_00000.parquet", "is not data/<dump>/<file>"),
    ("sources.0.name", "/home/somebody/a.warc.gz", "own machine"),
    ("sources.0.name", "C:\\a.warc.gz", "own machine"),
    ("sources.0.name", "file:///a.warc.gz", "own machine"),
    ("sources.0.sha256", "0" * 64, "not that of its slices"),
    ("sources.0.size_bytes", 10, "slices end at 700"),
    ("sources.0.pages", 43, "the sources hold 43"),
    ("sources.0.slices.0.offset", -1, "sources.0.slices.0.offset"),
]


@pytest.mark.parametrize(("key", "value", "reason"), LIES)
def test_lies_are_refused(tmp_path: Path, plain: dict[str, Any], key: str, value: Any, reason: str) -> None:
    """A manifest that contradicts itself, or names what it must not, is refused with the reason."""
    at: Any = plain
    *way, last = key.split(".")
    for step in way:
        at = at[int(step) if step.isdigit() else step]
    at[last] = value
    (tmp_path / "manifest.json").write_text(json.dumps(plain))

    with pytest.raises(VerifyError) as caught:
        read_manifest(tmp_path)
    assert reason in str(caught.value)


def test_overlapping_slices_are_refused(plain: dict[str, Any]) -> None:
    """No byte of a source is counted twice."""
    source = plain["sources"][0]
    source["slices"] = source["slices"] * 2
    with pytest.raises(ValidationError, match="overlap at byte 0"):
        Manifest.model_validate_json(json.dumps(plain))


def test_an_empty_dataset_has_a_manifest(tmp_path: Path) -> None:
    """A run that kept nothing has a manifest all the same."""
    made = make_dataset(tmp_path, kept=0)
    assert read_manifest(tmp_path).rows == made.manifest.rows == 0
