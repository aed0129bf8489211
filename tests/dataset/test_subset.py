"""Subsets of a dataset: what is written, and that nothing half-written is left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from finest.atomic_files import hold
from finest.dataset.manifest import Manifest, read_manifest
from finest.dataset.open import open_dataset
from finest.dataset.rows import SCHEMA
from finest.dataset.selection import Rule
from finest.dataset.subset import write_subset
from finest.errors import UsageError, VerifyError
from tests.dataset.made import Made, make_dataset, row, verdict, write_shards


def write(parent: Path, where: str, out: Path) -> Manifest:
    """The subset of the dataset in a folder."""
    rule = Rule(where=where)
    with open_dataset(str(parent)) as dataset:
        return write_subset(dataset, rule.keep(SCHEMA), rule, out)


@pytest.fixture
def parent(tmp_path: Path) -> Made:
    return make_dataset(tmp_path / "parent")


@pytest.mark.nightly
def test_a_subset_is_a_dataset_whose_rows_are_the_parents(parent: Made, tmp_path: Path) -> None:
    """Rows keep order, bytes and hashes; each page keeps its verdict, or is told to be left out."""
    manifest = write(parent.folder, "token_count >= 36", tmp_path / "some")
    with open_dataset(str(tmp_path / "some")) as found, open_dataset(str(parent.folder)) as whole:
        found.check_all(tmp_path / "some")
        rows, before = found.row_columns(*SCHEMA.names).to_pylist(), whole.row_columns(*SCHEMA.names).to_pylist()
        verdicts = found.verdict_columns("id", "reason", "duplicate_of").to_pylist()
        judged = whole.verdict_columns("id", "reason", "duplicate_of").to_pylist()
    assert rows == [one for one in before if one["token_count"] >= 36]
    ids = {one["id"] for one in rows}
    for one, other in zip(verdicts, judged, strict=True):
        left_out = other["reason"] == "kept" and other["id"] not in ids
        assert one == other | ({"reason": "not_selected"} if left_out else {})
    assert manifest == read_manifest(tmp_path / "some")
    assert manifest.rows + manifest.reasons["not_selected"] == parent.manifest.rows
    (selection,) = manifest.selections
    assert (selection.parent_root, selection.parent_rows) == (parent.manifest.root, parent.manifest.rows)
    assert not sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))


@pytest.mark.nightly
def test_a_subset_of_a_subset_records_both_steps(parent: Made, tmp_path: Path) -> None:
    """Two selections after each other give the rows and the root of both at once."""
    write(parent.folder, "token_count >= 36", tmp_path / "some")
    fewer = write(tmp_path / "some", "language_score < 0.8", tmp_path / "fewer")
    at_once = write(parent.folder, "token_count >= 36 and language_score < 0.8", tmp_path / "at-once")
    assert (fewer.root, fewer.rows, fewer.reasons) == (at_once.root, at_once.rows, at_once.reasons)
    assert [selection.rule.where for selection in fewer.selections] == ["token_count >= 36", "language_score < 0.8"]
    assert fewer.shards == at_once.shards


@pytest.mark.parametrize(("where", "rows"), [("false", 0), pytest.param("true", 40, marks=pytest.mark.nightly)])
def test_all_rows_and_none_are_subsets_too(parent: Made, tmp_path: Path, where: str, rows: int) -> None:
    """The whole dataset keeps its root; an empty one has files with verdicts alone."""
    manifest = write(parent.folder, where, tmp_path / "out")
    assert manifest.rows == rows
    assert (manifest.root == parent.manifest.root) == (rows == 40)
    with open_dataset(str(tmp_path / "out")) as found:
        found.check_all(tmp_path / "out")


def test_a_dataset_without_selection_is_written_as_ever(parent: Made) -> None:
    """Earlier versions read it: its manifest has no field that they do not know."""
    assert b"selections" not in (parent.folder / "manifest.json").read_bytes()


def test_nothing_is_left_of_a_subset_that_failed(parent: Made, tmp_path: Path) -> None:
    """A row that was altered in the parent is found as it is read, and there is no folder afterwards."""
    altered = [row(n, text="Other text.") if n == 5 else row(n) for n in range(40)]
    shutil.rmtree(parent.folder / "data")
    shards, _ = write_shards(tmp_path / "other", altered, [])
    shutil.copytree(tmp_path / "other" / "data", parent.folder / "data")
    (parent.folder / "manifest.json").write_text(parent.changed(shards=tuple(shards)).model_dump_json())
    with pytest.raises(VerifyError, match="Merkle root over the rows"):
        write(parent.folder, "token_count >= 36", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "parent"]


def test_a_folder_in_use_is_refused(parent: Made, tmp_path: Path) -> None:
    """Neither another dataset nor another process's work is overwritten; a killed process's rest is."""
    with pytest.raises(UsageError, match="exists already"):
        write(parent.folder, "true", parent.folder)
    scratch = tmp_path / ".out.unfinished"
    (scratch / "data").mkdir(parents=True)
    with hold(scratch / "lock"), pytest.raises(UsageError, match="is writing"):
        write(parent.folder, "true", tmp_path / "out")
    assert write(parent.folder, "true", tmp_path / "out").rows == 40


@pytest.mark.nightly
def test_verdicts_in_another_order_than_the_rows_are_refused(tmp_path: Path) -> None:
    """A subset cannot tell which page a row belongs to, and says so."""
    made = make_dataset(tmp_path / "parent", kept=4)
    shutil.rmtree(made.folder / "verdicts")
    rows = [row(n) for n in range(4)]
    others = [verdict(row(4 + n), reason) for n, reason in enumerate(("language", "quality_short_doc"))]
    judged = [verdict(one) for one in reversed(rows)] + others + [verdict(row(6), "extraction_empty")]
    judged.append(verdict(row(7), "duplicate", duplicate_of=row(0).id))
    _, files = write_shards(tmp_path / "other", rows, judged)
    shutil.copytree(tmp_path / "other" / "verdicts", made.folder / "verdicts")
    (made.folder / "manifest.json").write_text(made.changed(verdicts=tuple(files)).model_dump_json())
    with pytest.raises(VerifyError, match="not in the order of the rows"):
        write(made.folder, "true", tmp_path / "out")


def test_a_manifest_that_contradicts_its_selection_is_refused(parent: Made, tmp_path: Path) -> None:
    """What a stranger's manifest says about a selection is checked before any row is read."""
    manifest = write(parent.folder, "token_count >= 36", tmp_path / "some")
    for change, said in (
        ({"rule": {"where": "token_count >>"}}, "unexpected"),
        ({"rule": {"where": "edu >= 12"}}, "no column 'edu'"),
        ({"parent_rows": 5}, "left 22"),
        ({"parent_rows": 41}, "reasons count 18 pages as not_selected, the selections left out 19"),
    ):
        selection = manifest.selections[0].model_dump(mode="json") | change
        data = manifest.model_dump(mode="json") | {"selections": [selection]}
        (tmp_path / "some" / "manifest.json").write_text(json.dumps(data))
        with pytest.raises(VerifyError) as refused:
            read_manifest(tmp_path / "some")
        assert said in str(refused.value)


def test_pages_left_out_without_a_selection_are_refused(parent: Made) -> None:
    """The reason `not_selected` needs a selection that explains it."""
    reasons = parent.manifest.reasons | {"not_selected": 1, "language": 0}
    with pytest.raises(ValueError, match="the selections left out 0"):
        parent.changed(reasons=reasons)
