"""What a person is told of a finished run: how much was lost, and why there are no rows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finest.errors import LedgerError
from finest.formatting import byte_size
from finest.pipeline import remarks as module
from finest.pipeline.pack import find_breaks
from finest.pipeline.remarks import remarks
from finest.pipeline.source_table import Sources
from finest.pipeline.summary import merge
from finest.warc.layout import Layout
from finest.warc.source import Source

from .made import slice_

OUT = Path("out")


def said(monkeypatch: pytest.MonkeyPatch, *slices: dict[str, Any], rows: int = 0) -> list[str]:
    """The remarks on a run of those slices of one source of 1,000 bytes."""
    summaries = [slice_(losses=[], **changes) if "losses" not in changes else slice_(**changes) for changes in slices]
    plan = SimpleNamespace(sources=Sources.of([Source("/x/a.warc.gz", "a.warc.gz", 1000, None, Layout.MEMBERS)]))
    totals = merge(summaries)
    ledger = SimpleNamespace(out=OUT, plan=plan, each_source=lambda: iter([(0, totals)]), so_far=lambda: totals)
    monkeypatch.setattr(module.Ledger, "read", lambda _: ledger)
    return remarks(OUT, SimpleNamespace(rows=rows, recipe={}))  # type: ignore[arg-type]


def test_a_sound_run_needs_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and no losses, or losses that are padding, are no reason to warn."""
    assert said(monkeypatch, {"lost_bytes": 10}, rows=2) == []


def test_pages_in_segments_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with rows says, too, that something was not read."""
    (line,) = said(monkeypatch, {"records": {"response": 2, "continuation": 3}}, rows=2)
    assert line.startswith(
        "the sources hold 3 continuation records; of a page in segments only the first one is judged"
    )


def test_a_big_loss_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that lost a good part of its bytes is named with share, reasons and the next command."""
    losses = [{"reason": "gzip_corrupt", "offset": 5, "length": 400, "detail": ""}]
    (line,) = said(monkeypatch, {"losses": losses, "lost_bytes": 400}, {"lost_bytes": 30, "index": 1}, rows=2)
    assert line == (
        f"43% of a.warc.gz ({byte_size(430)} of {byte_size(1000)}) could not be read: 1 gzip_corrupt; "
        "see where with: finest status out"
    )


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ({"records": {"metadata": 9, "warcinfo": 1}, "pages": 0, "reasons": {}}, "what WAT files hold"),
        ({"records": {"conversion": 5}, "pages": 5, "reasons": {"payload_type": 5}}, "what WET files hold"),
        ({"records": {"revisit": 5, "request": 5}, "pages": 0, "reasons": {}}, "refer to pages that were archived"),
        ({"records": {"resource": 5}, "pages": 0, "reasons": {}}, "--recipe finest"),
        ({"records": {"warcinfo": 1}, "pages": 0, "reasons": {}}, "1 warcinfo records, but no page"),
        ({"records": {}, "pages": 0, "reasons": {}}, "the sources hold no record"),
        (
            {"records": {"response": 5}, "reasons": {"language": 4, "url_domain": 1}},
            "all 5 pages were dropped, 4 of them",
        ),
    ],
)
def test_no_rows_are_explained(monkeypatch: pytest.MonkeyPatch, slices: dict[str, Any], words: str) -> None:
    """A dataset without rows says what the sources hold, and what to do."""
    (line,) = said(monkeypatch, slices)
    assert line.startswith("the dataset has no rows: ")
    assert words in line


def test_without_a_ledger_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a published dataset has no ledger."""

    def gone(_: Path) -> None:
        raise LedgerError("no run here")

    monkeypatch.setattr(module.Ledger, "read", gone)
    assert remarks(OUT, SimpleNamespace(rows=0)) == []  # type: ignore[arg-type]


def test_slices_inside_a_long_stretch_are_named_at_once() -> None:
    """Where one slice reads beyond several others, all of these are read again together, from where it ended."""
    ends = [100, 200, 300, 400, 500]
    places = [(0, 350), (120, 210), (210, 300), (300, 410), (410, 500)]
    summaries = [
        slice_(index=number, start=end - 100, end=end, first_offset=first, next_offset=after)
        for number, (end, (first, after)) in enumerate(zip(ends, places, strict=True))
    ]
    assert find_breaks(summaries) == {1: 350, 2: 350, 3: 350}
