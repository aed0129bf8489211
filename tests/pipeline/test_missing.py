"""The slices that are left, from one look to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.pipeline import missing
from finest.pipeline.ledger import Ledger
from finest.pipeline.missing import SlicesLeft, slices_left
from tests.pipeline.made_ledger import begin, finish


def test_what_is_left_follows_the_ledger(tmp_path: Path) -> None:
    """After slices, a whole source and an unreadable one, by another process's ledger; and what was there before."""
    other = begin(tmp_path, sources=4)
    finish(other, other.plan.slices[1])
    left = SlicesLeft(Ledger.read(tmp_path))
    assert left.look() == slices_left(other) == [0, *range(2, 12)]
    for number in (0, 2, 4):
        finish(other, other.plan.slices[number])
        assert left.look() == slices_left(other)
    other.missing().note(3, "gone")
    assert left.look() == slices_left(other) == [3, 5, 6, 7, 8]


def test_a_line_that_was_left_out_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process committed a slice, or packed a source, and logged neither."""
    other = begin(tmp_path)
    left = SlicesLeft(Ledger.read(tmp_path))
    monkeypatch.setattr(other.log, "add", lambda _: None)
    finish(other, other.plan.slices[4])
    assert left.look() == [0, 1, 2, 3, 5]
    for number in range(3):
        finish(other, other.plan.slices[number])
    assert other.has(0) and left.look() == [3, 5]


def test_a_look_costs_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of the ledger are listed once; of many open sources, none is looked at."""
    monkeypatch.setattr(missing, "MAX_LOOKED_AT", 1)
    ledger = begin(tmp_path, sources=3)
    left = SlicesLeft(ledger)
    for method in ("packed", "loose", "done", "has", "slices_of"):
        monkeypatch.delattr(Ledger, method)
    assert left.look() == list(range(9))
