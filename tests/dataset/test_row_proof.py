"""Proofs of single rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.dataset.manifest import Manifest
from finest.dataset.open import Dataset, open_dataset
from finest.dataset.row_proof import RowProof

from .made import make_dataset, make_series


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three series."""
    folder = tmp_path_factory.mktemp("series")
    make_series(folder, [10, 1, 12])
    return folder


def hashes(dataset: Dataset) -> list[str]:
    return [str(one) for one in dataset.row_columns("row_hash")["row_hash"].to_pylist()]


def test_each_row_is_proven_and_no_other(folder: Path) -> None:
    """The proof goes over a wire as JSON; it proves its own row, under its own root, in at most 2 kB."""
    with open_dataset(str(folder)) as dataset:
        root, known = dataset.manifest.root, hashes(dataset)
        for number in range(23):
            sent = dataset.prove(number).model_dump_json()
            proof = RowProof.model_validate_json(sent)
            assert len(sent) < 2_000
            assert proof.holds(known[number], root)
            assert not proof.holds(known[number - 1], root)
            assert not proof.holds(known[number], "ab" * 32)
        for number in (-1, 23):
            with pytest.raises(IndexError):
                dataset.prove(number)


def test_a_proof_of_the_largest_dataset_is_small() -> None:
    """2**32 rows in 2**12 series: 32 hashes."""
    path = "A" * (4 * 32 * 20 // 3 + 2)
    proof = RowProof(
        row=2**20 - 1, rows=2**20, series_root="a" * 64, series=2**12 - 1, all_series=2**12, row_path=path,
        series_path=path[: 4 * 32 * 12 // 3],
    )  # fmt: skip
    assert len(proof.model_dump_json()) < 2_000


def test_altered_proofs_prove_nothing(folder: Path) -> None:
    """Neither another place, nor another number of rows, nor garbage."""
    with open_dataset(str(folder)) as dataset:
        proof, root, known = dataset.prove(4), dataset.manifest.root, hashes(dataset)[4]
    changes = (
        {"row": 5}, {"rows": 11}, {"series": 1}, {"all_series": 9}, {"row_path": ""}, {"series_path": "!"},
        {"row_path": "AAAA"}, {"series_root": "0" * 64},
    )  # fmt: skip
    for change in changes:
        assert not proof.model_copy(update=change).holds(known, root)
    assert not proof.holds("no hash", root)


def test_a_series_is_no_row(tmp_path: Path) -> None:
    """The root of a series, which is a leaf of the top tree, cannot be passed off as a row's hash."""
    made = make_dataset(tmp_path)
    (series_root,) = made.manifest.roots.values()
    forged = RowProof(row=0, rows=1, series_root=series_root, series=0, all_series=1, row_path="", series_path="")
    assert not forged.holds(series_root, made.manifest.root)


def test_a_manifest_has_one_root_for_each_series(folder: Path) -> None:
    """Roots that are missing, in another order, or of other series contradict the manifest."""
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    roots = manifest.roots
    for wrong in ({}, dict(reversed(roots.items())), roots | {"data/D/999": "0" * 64}):
        with pytest.raises(ValueError, match="one root for each series"):
            Manifest.model_validate_json(manifest.model_copy(update={"roots": wrong}).model_dump_json())
    swapped = dict(zip(roots, reversed(roots.values()), strict=True))
    with pytest.raises(ValueError, match="that of the roots of its series is"):
        Manifest.model_validate_json(manifest.model_copy(update={"roots": swapped}).model_dump_json())
