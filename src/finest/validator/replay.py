"""Replay: repeats an audit from its evidence alone and reports the first difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from finest.validator.audit import audit
from finest.validator.evidence import QUALITY, with_quality, without_quality
from finest.validator.seed import make_seed

if TYPE_CHECKING:
    from finest.validator.context import AuditContext
    from finest.validator.models import Evidence

_LISTS = ("admission", "rows", "windows")
_COMPARED = ("declared", *_LISTS, "uniqueness", "verdict", "why")
_MISSING = "nothing"
_UNSCORED = {"measured": None, "score": None, "total": None}
"""Fields that are empty if quality was not measured."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The result of a replay."""

    difference: str | None
    """The first difference in one line; None if nothing differs."""
    again: Evidence | None
    """The evidence of the repeated audit; None if the seed differs, so that nothing was repeated."""

    @property
    def is_incomplete(self) -> bool:
        """Whether the repeated audit could not read everything, so that a difference proves nothing.

        Only the findings of the repeated audit count, which the author of the evidence cannot choose.
        """
        again = self.again
        return again is not None and (
            again.verdict == "no_evidence"
            or any(check.name == "revision" and check.outcome != "pass" for check in again.admission)
            or any(row.outcome == "no_evidence" for row in again.rows)
            or any(window.detail for window in again.windows)
        )


def replay(evidence: Evidence, context: AuditContext) -> str | None:
    """Return the first difference in one line; None if nothing differs. See `repeat`."""
    return repeat(evidence, context).difference


def repeat(evidence: Evidence, context: AuditContext) -> Replay:
    """Repeat the audit, and compare.

    Replay compares the seed with the data it is computed from, and each check, row, window and page, the duplicates,
    the verdict and the score. It takes as stated the copies of earlier submissions, which only the validator's own
    index knows, and the quality figures or their absence. Versions may differ if the findings do not.
    """
    recorded = evidence.subject
    if recorded.beacon and recorded.validator and recorded.submission.line is not None:
        seed = make_seed(recorded.beacon.hash, recorded.submission.line, recorded.validator)
        if seed != recorded.seed:
            return Replay(_difference("seed", recorded.seed, seed), None)
    again = audit(recorded, evidence.plan, context)
    unmeasured = next((check for check in evidence.admission if check.name == QUALITY), None)
    if unmeasured and again.verdict == "pass":
        again = without_quality(again, unmeasured.outcome, unmeasured.detail)
    return Replay(next(_differences(evidence, again), None) or _difference_of_score(evidence), again)


def _differences(recorded: Evidence, again: Evidence) -> Iterator[str]:
    ours, theirs = _findings(again, recorded), _findings(recorded, recorded)
    for name in _COMPARED:
        if name in _LISTS:
            for number, (one, other) in enumerate(zip_longest(theirs[name], ours[name], fillvalue=_MISSING)):
                if one != other:
                    yield _difference(f"{name}[{number}]", one, other)
        elif theirs[name] != ours[name]:
            yield _difference(name, theirs[name], ours[name])


def _findings(evidence: Evidence, recorded: Evidence) -> dict[str, Any]:
    if evidence.uniqueness and recorded.uniqueness:
        copies = {"copies": recorded.uniqueness.copies}
        evidence = evidence.model_copy(update={"uniqueness": evidence.uniqueness.model_copy(update=copies)})
    return evidence.model_dump(mode="json")


def _difference_of_score(evidence: Evidence) -> str | None:
    again = with_quality(evidence, evidence.quality) if evidence.quality else evidence.model_copy(update=_UNSCORED)
    for name in ("measured", "score", "total"):
        stated, ours = getattr(evidence, name), getattr(again, name)
        if stated != ours:
            return _difference(name, stated, ours)
    return None


def _difference(name: str, stated: object, found: object) -> str:
    return f"{name}: the evidence has {str(stated)[:300]}, here it is {str(found)[:300]}"
