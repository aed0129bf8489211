"""Checking a model: whatever a publisher states wrongly about its evaluation is found."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from finest.errors import FinestError, ModelError, VerifyError
from finest.models.check import CheckedSet, check
from finest.models.documents import find_files
from finest.models.place import open_model
from finest.models.record import RECORD_NAME
from tests.models.made import SILENT, rows, trained, written


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose held-out set lies beside it."""
    out = tmp_path_factory.mktemp("honest") / "m"
    out.mkdir()
    held = written(out / "held.jsonl", rows(120, hosts=15, seed=8, clear=0.05))
    trained(out, written(out.parent / "a.jsonl", rows(200)), held)
    return out


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    """A copy, to be altered."""
    return Path(shutil.copytree(honest, tmp_path / "m"))


def checked(folder: Path, *given: Path) -> CheckedSet:
    files = find_files([str(path) for path in given])
    return check(open_model(str(folder), folder, print), files, folder / "cache", SILENT)[0]


def altered(folder: Path, change) -> None:
    """Change the record as a publisher would who edits it."""
    record = json.loads((folder / RECORD_NAME).read_bytes())
    change(record)
    (folder / RECORD_NAME).write_text(json.dumps(record))


def test_an_honest_evaluation_is_computed_again(folder: Path) -> None:
    found = checked(folder)
    assert found.found is not None and found.differences == ()
    assert found.found.auc is not None and found.found.auc.value > 0.6


def _set(record: dict[str, Any]) -> dict[str, Any]:
    return record["evaluation"]["sets"][0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: _set(record)["auc"].update(value=0.999), "auc is"),
        (lambda record: _set(record)["auc"].update(low=_set(record)["auc"]["low"] + 0.02), "auc is"),
        (lambda record: _set(record).update(raw_sum=_set(record)["raw_sum"] + 1), "raw_sum is"),
        (lambda record: _set(record).update(raw_sha256="0" * 64), "raw_sha256 is"),
        (lambda record: _set(record).update(documents=1_000), "documents is"),
        (lambda record: _set(record).update(groups=120), "groups is"),
        (lambda record: _set(record)["thresholds"][3]["precision"].update(value=1.0), "thresholds is"),
        (lambda record: _set(record)["thresholds"].pop(), "thresholds is"),
    ],
)
def test_an_invented_figure_is_found(folder: Path, change, says: str) -> None:
    altered(folder, change)
    assert any(line.startswith(says) for line in checked(folder).differences)


def test_an_easier_set_under_the_same_name_is_found(folder: Path) -> None:
    """The record names the set by its sha256: replacing the hard pages afterwards does not go unseen."""
    lines = rows(120, hosts=15, seed=8, clear=0.9)
    size = (folder / "held.jsonl").stat().st_size
    written(folder / "held.jsonl", lines)
    grown = (folder / "held.jsonl").read_bytes().ljust(size, b"\n")[:size]
    (folder / "held.jsonl").write_bytes(grown)
    with pytest.raises(VerifyError, match="sha256 is not the one"):
        checked(folder)


def test_another_model_under_the_same_record_is_found(folder: Path, tmp_path: Path) -> None:
    trained(tmp_path / "other", written(tmp_path / "b.jsonl", rows(200, seed=5)))
    (folder / "edu.safetensors").write_bytes((tmp_path / "other" / "edu.safetensors").read_bytes())
    with pytest.raises(VerifyError, match="the model's sha256 is"):
        open_model(str(folder), tmp_path)
    assert open_model(str(folder / "edu.safetensors"), tmp_path).record is None


def test_a_set_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    """It is recognised by its content; without it there is no evidence, and no difference either."""
    (folder / "held.jsonl").rename(tmp_path / "elsewhere.jsonl")
    assert checked(folder).found is None
    found = checked(folder, tmp_path / "elsewhere.jsonl")
    assert found.found is not None and found.differences == ()


@pytest.mark.parametrize("path", ["../a.jsonl", "/dev/zero", "/etc/passwd"])
def test_a_path_out_of_the_folder_reads_no_other_file(folder: Path, path: str) -> None:
    """A downloaded record cannot make the check read what is no held-out set of this size and sha256."""
    altered(folder, lambda record: _set(record).update(path=path))
    assert checked(folder).found is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.update(model_file="../edu.safetensors"), "not the name of a file beside it"),
        (lambda record: record.update(format="finest-model-record/2"), "format: Input should be"),
        (lambda record: record.update(more=1), "more: Extra inputs"),
        (lambda record: record.update(bits=13), "are not those of the model"),
    ],
)
def test_a_record_that_is_none(folder: Path, change, says: str) -> None:
    altered(folder, change)
    with pytest.raises(FinestError, match=says):
        checked(folder)


def test_a_huge_record_is_not_read(folder: Path) -> None:
    (folder / RECORD_NAME).write_bytes(gzip.decompress(gzip.compress(b" " * (17 << 20))))
    with pytest.raises(ModelError, match="bytes"):
        open_model(str(folder), folder)
