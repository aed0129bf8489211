"""What reading a submission may cost: its shape is judged before its rows, and a slow Hub is nobody's fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.dataset import meter
from finest.dataset.meter import allowance
from finest.dataset.open import Dataset, _InAFolder, open_dataset
from finest.validator.audit import audit
from finest.validator.models import Evidence, Plan

from .forged import in_groups_of_one
from .made import Published, make
from .repeated import response, write_warc

PLAN = Plan(rows=16, windows=4)


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """One WARC of 20 pages, good ones and duplicates of them."""
    folder = tmp_path_factory.mktemp("little")
    members = [[response(n % 12, key=n)] for n in range(20)]
    return make(folder / "made", [write_warc(folder / "a.warc.gz", members)])


class Counted(_InAFolder):
    """The files of a folder; how often it was asked is remembered."""

    asked: list[str] = []  # noqa: RUF012 - one list for the test

    def read(self, path: str, start: int, end: int) -> bytes:
        self.asked.append(path)
        return super().read(path, start, end)


def judged(made: Published, monkeypatch: pytest.MonkeyPatch) -> tuple[Evidence, int]:
    """The evidence, and the ranges that were asked for."""
    Counted.asked.clear()
    monkeypatch.setattr("finest.dataset.open._InAFolder", Counted)
    return audit(made.subject(), PLAN, made.context()), len(Counted.asked)


@pytest.mark.parametrize("kind", ["shards", "verdicts"])
def test_a_row_group_for_each_row_is_caught(
    little: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """By the footers alone, of rows and of verdicts alike: it fails, and costs a range a file."""
    evidence, ranges = judged(in_groups_of_one(little, tmp_path / kind, kind), monkeypatch)
    assert evidence.verdict == "fail" and "not admissible (layout)" in evidence.why
    assert "row groups of" in evidence.why
    assert ranges <= 2


def test_an_honest_dataset_asks_for_little(little: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """With duplicates, whose rows are looked up too: far below what its size allows."""
    evidence, ranges = judged(little, monkeypatch)
    assert evidence.verdict == "pass", evidence.why
    assert ranges < allowance(little.manifest).ranges / 10


def test_a_dataset_that_is_read_without_end_is_caught(
    little: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the ranges that its size explains, whatever makes the decoder ask for them, the submission fails."""
    monkeypatch.setattr(meter, "READS", 3)
    monkeypatch.setattr(meter, "READS_A_GROUP", 0)
    evidence, ranges = judged(little, monkeypatch)
    assert evidence.verdict == "fail" and "more than its rows and bytes explain" in evidence.why
    assert ranges == 3


def test_only_a_check_is_bounded(little: Published) -> None:
    """Whoever works with a dataset reads it as often as he likes."""
    with open_dataset(str(little.folder)) as dataset:
        assert isinstance(dataset, Dataset) and dataset.meter.allowed is None
