"""A slice's summary and the sum over slices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from finest.errors import LedgerError
from finest.pipeline.summary import SAMPLES_PER_REASON, SliceSummary, merge

from .made import sample, slice_


def test_summary_survives_json() -> None:
    """A summary comes back from slice.json as it was."""
    assert SliceSummary.from_dict(json.loads(json.dumps(slice_().to_dict()))) == slice_()


def test_a_summary_of_an_earlier_version_is_read() -> None:
    """A run goes on after an update: what was not counted then is empty."""
    data = slice_().to_dict()
    del data["fallbacks"], data["lost_bytes"]
    assert SliceSummary.from_dict(data) == slice_()


@pytest.mark.parametrize(
    "change", [{"pages": None}, {"pages": "5"}, {"reasons": []}, {"losses": {}}, {"cpu_s": "1"}, {"surprise": 1}]
)
def test_garbled_summaries_are_refused(change: dict[str, Any]) -> None:
    """A missing, unknown or wrong field is an error that names it."""
    with pytest.raises(LedgerError, match=next(iter(change))):
        SliceSummary.from_dict(slice_().to_dict() | change)
    with pytest.raises(LedgerError, match="not an object"):
        SliceSummary.from_dict([])  # type: ignore[arg-type]


def test_merge_adds_up() -> None:
    """Counts add up, the largest memory stays, losses know their source; the order does not matter."""
    a = slice_()
    b = slice_(source=1, pages=7, kept=1, reasons={"kept": 1, "language": 6}, peak_rss_bytes=1, text_chars={"9": 1})
    total = merge([b, a])

    assert total == merge([a, b])
    assert (total.slices, total.pages, total.kept, total.tokens) == (2, 12, 3, 1800)
    assert total.reasons == {"kept": 3, "language": 8, "quality_short_doc": 1}
    assert total.text_chars == {"11": 1, "9": 2}
    assert total.stage_cpu_s == {"extraction": 0.14, "quality": 0.04}
    assert merge([slice_(fallbacks={"span": 1}), slice_(index=1, fallbacks={"span": 2})]).fallbacks == {"span": 3}
    assert total.peak_rss_bytes == 400_000_000
    assert [loss["source"] for loss in total.losses] == [0, 1]


def test_merge_of_nothing() -> None:
    """No slice is a sum of zeros."""
    total = merge([])
    assert (total.pages, total.reasons, total.peak_rss_bytes) == (0, {}, 0)


def test_samples_come_from_many_slices() -> None:
    """A sum keeps few samples of each reason, from as many slices as possible."""
    parts = [slice_(index=n, samples={"kept": [sample(id=f"{n}-{k}") for k in range(9)]}) for n in range(4)]
    ids = [page["id"] for page in merge(parts).samples["kept"]]

    assert ids == ["0-0", "1-0", "2-0", "3-0", "0-1", "1-1"]
    assert len(ids) == SAMPLES_PER_REASON
