"""An audit made again from its evidence alone: the same finding for finding, or where it first differs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from finest.validator.audit import audit
from finest.validator.evidence import QUALITY, with_quality, without_quality
from finest.validator.seed import make_seed

if TYPE_CHECKING:
    from finest.validator.context import Means
    from finest.validator.models import Evidence

_LISTS = ("admission", "rows", "windows")
_COMPARED = ("declared", *_LISTS, "uniqueness", "verdict", "why")
_MISSING = "nothing"
_UNSCORED = {"measured": None, "score": None, "total": None}
"""Without figures of quality nothing follows."""


def replay(evidence: Evidence, means: Means) -> str | None:
    """The first difference, in one line; None where everything is the same.

    Compared are the seed with what it follows from, each check, row, window and page, the duplicates, the verdict and
    the score. Taken as stated are copies of earlier submissions, which only the validator's own index knows, and
    figures of quality or that there are none; versions may differ as long as the findings do not.
    """
    told = evidence.subject
    if told.beacon and told.validator and told.submission.line is not None:
        seed = make_seed(told.beacon.hash, told.submission.line, told.validator)
        if seed != told.seed:
            return _said("seed", told.seed, seed)
    again = audit(told, evidence.plan, means)
    unmeasured = next((check for check in evidence.admission if check.name == QUALITY), None)
    if unmeasured and again.verdict == "pass":
        again = without_quality(again, unmeasured.outcome, unmeasured.detail)
    return next(_differences(evidence, again), None) or _difference_of_score(evidence)


def _differences(told: Evidence, again: Evidence) -> Iterator[str]:
    ours, theirs = _findings(again, told), _findings(told, told)
    for name in _COMPARED:
        if name in _LISTS:
            for number, (one, other) in enumerate(zip_longest(theirs[name], ours[name], fillvalue=_MISSING)):
                if one != other:
                    yield _said(f"{name}[{number}]", one, other)
        elif theirs[name] != ours[name]:
            yield _said(name, theirs[name], ours[name])


def _findings(evidence: Evidence, told: Evidence) -> dict[str, Any]:
    if evidence.uniqueness and told.uniqueness:
        copies = {"copies": told.uniqueness.copies}
        evidence = evidence.model_copy(update={"uniqueness": evidence.uniqueness.model_copy(update=copies)})
    return evidence.model_dump(mode="json")


def _difference_of_score(evidence: Evidence) -> str | None:
    again = with_quality(evidence, evidence.quality) if evidence.quality else evidence.model_copy(update=_UNSCORED)
    for name in ("measured", "score", "total"):
        stated, ours = getattr(evidence, name), getattr(again, name)
        if stated != ours:
            return _said(name, stated, ours)
    return None


def _said(name: str, stated: object, found: object) -> str:
    return f"{name}: the evidence has {str(stated)[:300]}, here it is {str(found)[:300]}"
