"""The histograms of a report: the columns that stages add to the rows, formatted for display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.formatting import counted, link, share, short, showable, whole
from finest.pipeline.report.samples import LANGUAGES, Sample

if TYPE_CHECKING:
    from finest.pipeline.report.scores import Bin, Scores


@dataclass(frozen=True, slots=True)
class BinView:
    """One bar of a histogram and its sample pages; the height is per cent of the longest bar."""

    label: str
    span: str
    value: str
    rows: str
    share: str
    height: float
    anchor: str
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class ScoreView:
    """One histogram."""

    name: str
    doc: str
    rows: str
    is_class: bool
    bins: list[BinView]
    more: str


def score_view(scores: Scores) -> ScoreView:
    """Format a column's histogram."""
    total, longest = sum(bin_.rows for bin_ in scores.bins), max((bin_.rows for bin_ in scores.bins), default=0)
    name = showable(scores.column, 64)
    more = f"{counted(scores.more, 'more value')} with fewer rows" if scores.more else ""
    bins = [_bin(bin_, f"score-{name}-{number}", total, longest) for number, bin_ in enumerate(scores.bins)]
    return ScoreView(name, showable(scores.doc, 200), counted(total, "row"), scores.is_class, bins, more)


def _bin(bin_: Bin, anchor: str, total: int, longest: int) -> BinView:
    height = round(max(0.5, 100 * bin_.rows / longest), 2) if bin_.rows else 0.0
    samples = [
        Sample(
            showable(page["id"], 100), showable(page["url"], 160), link(page["url"]), _facts(page),
            showable(page["excerpt"], 400).strip(),
        )
        for page in bin_.samples
    ]  # fmt: skip
    return BinView(
        label=showable(bin_.label, 40), span=showable(bin_.span, 60), value=whole(bin_.rows),
        rows=counted(bin_.rows, "row"), share=share(bin_.rows, total), height=height, anchor=anchor, samples=samples,
    )  # fmt: skip


def _facts(page: dict[str, object]) -> list[str]:
    value, code = page["value"], showable(page["language"], 12)
    shown = short(value) if isinstance(value, float) else showable(value, 60)
    return [shown, LANGUAGES.get(code, code)]
