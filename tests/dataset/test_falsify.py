"""A falsified dataset agrees with itself: only a look at the pages finds it."""

from __future__ import annotations

from pathlib import Path

from finest.dataset.falsify import exchanged, falsify
from finest.dataset.open import open_dataset

from .made import make_dataset, row


def test_rows_change_their_texts() -> None:
    """As many as were asked for, the same ones again; none is invented and none is lost."""
    rows = [row(number) for number in range(40)]
    found = exchanged(rows, 0.25, "secret")
    assert found == exchanged(rows, 0.25, "secret") != exchanged(rows, 0.25, "other")
    assert sorted(one.text for one in found) == sorted(one.text for one in rows)
    assert [one.id for one in found] == [one.id for one in rows]
    assert 5 <= sum(one != other for one, other in zip(found, rows, strict=True)) <= 10
    assert sum(one.token_count for one in found) == sum(one.token_count for one in rows)


def test_the_dataset_agrees_with_itself(tmp_path: Path) -> None:
    """Other rows under another root, with the same sums; done again it is the same."""
    made = make_dataset(tmp_path / "honest")
    first = falsify(made.folder, tmp_path / "out", 0.3, "t1")
    again = falsify(made.folder, tmp_path / "out", 0.3, "t1")
    assert again == first and first.root != made.manifest.root
    assert (first.rows, first.token_count, first.reasons) == (
        made.manifest.rows, made.manifest.token_count, made.manifest.reasons,
    )  # fmt: skip
    with open_dataset(str(tmp_path / "out")) as dataset:
        assert dataset.read_rows(range(first.rows)).num_rows == first.rows
