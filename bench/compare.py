"""Two runs side by side: the same pages kept, for the same reasons, with the same texts?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bench.outcome import Key, Outcome, Outcomes
from bench.reference import KEPT

MAX_LISTED = 50
"""Differences that a result lists one by one; all are counted."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Equality:
    """Our run beside DataTrove's. A page that the gate drops counts as equal where DataTrove drops it too."""

    pages: int
    missing: int
    """Pages that only one of the runs has."""
    kept_reference: int
    kept_ours: int
    lost: int
    """Kept by DataTrove alone."""
    lost_to_gate: int
    """Those of them that the gate dropped."""
    extra: int
    """Kept by us alone."""
    same_reason: int
    earlier: int
    """Dropped by both, by us at the gate, before the reason that DataTrove gives."""
    other_reason: int
    texts_compared: int
    texts_equal: int
    differences: list[dict[str, str]]

    @property
    def equal(self) -> bool:
        return not (self.missing or self.lost or self.extra or self.other_reason) and (
            self.texts_compared == self.texts_equal
        )


def equality(reference: Outcomes, ours: Outcomes) -> Equality:
    """Compare every page of two runs over the same WARCs."""
    common = reference.keys() & ours.keys()
    pairs = {key: (reference[key], ours[key]) for key in sorted(common)}
    kinds = Counter(_kind(*pair) for pair in pairs.values())
    texts = [(r.text, o.text) for r, o in pairs.values() if r.kept and o.kept and o.text is not None]
    lost = [o for r, o in pairs.values() if r.kept and not o.kept]
    return Equality(
        pages=len(common),
        missing=len(reference.keys() ^ ours.keys()),
        kept_reference=sum(o.kept for o in reference.values()),
        kept_ours=sum(o.kept for o in ours.values()),
        lost=len(lost),
        lost_to_gate=sum(_gated(o) for o in lost),
        extra=sum(o.kept and not r.kept for r, o in pairs.values()),
        same_reason=kinds["same"],
        earlier=kinds["earlier"],
        other_reason=kinds["other"],
        texts_compared=len(texts),
        texts_equal=sum(r == o for r, o in texts),
        differences=list(_differences(pairs))[:MAX_LISTED],
    )


def _kind(reference: Outcome, ours: Outcome) -> str:
    if reference.reason == ours.reason:
        return "same"
    return "earlier" if _gated(ours) and not reference.kept else "other"


def _gated(outcome: Outcome) -> bool:
    return outcome.reason.startswith("gate_")


def _differences(pairs: Mapping[Key, tuple[Outcome, Outcome]]) -> Iterator[dict[str, str]]:
    for (file, id_, _), (reference, ours) in pairs.items():
        same_text = ours.text is None or reference.text == ours.text
        if _kind(reference, ours) == "other" or (reference.kept and ours.kept and not same_text):
            what = "text" if reference.reason == ours.reason else "reason"
            yield {"file": file, "id": id_, "url": reference.url, "differs": what,
                   "reference": reference.reason, "ours": ours.reason}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Overlap:
    """Token-level precision, recall and F1, each the mean over pages."""

    pages: int
    precision: float
    recall: float
    f1: float


def overlap(pairs: Iterable[tuple[str, str]]) -> Overlap:
    """(truth, text) pairs scored by their words as multisets, in lower case."""
    scores = [_score(_words(truth), _words(text)) for truth, text in pairs]
    if not scores:
        return Overlap(0, 0.0, 0.0, 0.0)
    precision, recall, f1 = (round(fmean(column), 4) for column in zip(*scores, strict=True))
    return Overlap(len(scores), precision, recall, f1)


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.lower()))


def _score(truth: Counter[str], text: Counter[str]) -> tuple[float, float, float]:
    common = (truth & text).total()
    precision, recall = common / (text.total() or 1), common / (truth.total() or 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if common else 0.0


def agreement(fineweb: Outcomes, finest: Outcomes, gold: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Recipe `finest` beside recipe `fineweb`: which pages, which text, and both against people's markings.

    `gold` is the main text by (WARC, record id). Texts are known for pages in the datasets alone, so that each recipe
    is scored over its own kept pages, and both over those that both keep.
    """
    ours, other = _texts(finest), _texts(fineweb)
    both = ours.keys() & other.keys()
    marked = {key for key in ours.keys() | other.keys() if key[:2] in gold}
    return {
        "kept_fineweb": len(other), "kept_finest": len(ours), "kept_both": len(both),
        "jaccard": round(len(both) / (len(ours.keys() | other.keys()) or 1), 4),
        "text": overlap((other[key], ours[key]) for key in both),
        "gold_own": {name: overlap((gold[key[:2]], texts[key]) for key in marked & texts.keys())
                     for name, texts in (("fineweb", other), ("finest", ours))},
        "gold_common": {name: overlap((gold[key[:2]], texts[key]) for key in marked & both)
                        for name, texts in (("fineweb", other), ("finest", ours))},
    }  # fmt: skip


def _texts(outcomes: Outcomes) -> dict[Key, str]:
    return {key: o.text for key, o in outcomes.items() if o.reason == KEPT and o.text is not None}
