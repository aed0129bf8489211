"""Spot check: compare another validator's published evidence with what it reported, and replay it.

A replay costs what an audit costs without the measurement of quality: it reads the drawn rows and windows from their
WARCs and judges them again. It is exact, so a record that was made up without reading the WARCs differs, even if its
verdict happens to be right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from finest.errors import HubNotFound, UsageError, VerifyError
from finest.validator.context import VALIDATOR_ERRORS
from finest.validator.published.batch import parse_place
from finest.validator.published.fetch import PublishedBatch
from finest.validator.published.spot_check import Checked
from finest.validator.replay import repeat

if TYPE_CHECKING:
    from finest.validator.context import AuditContext
    from finest.validator.models import Evidence, Plan, Subject
    from finest.validator.published.spot_check import Reported

SAME_TOTAL = 1e-9
"""Scores that differ by less are the same; JSON keeps all digits of a score."""


def check(reported: Reported, subject: Subject, plan: Plan, context: AuditContext) -> Checked:
    """Fetch the evidence, compare it with the report and with this validator's own view of the task, and replay it.

    `plan` is the least that an audit must check.
    """
    try:
        place = parse_place(reported.evidence)
        batch = PublishedBatch.open(place, context.say)
        evidence = batch.record(batch.item(reported.sha256))
    except (UsageError, VerifyError, HubNotFound) as error:
        return Checked(difference=str(error)[:800])
    except VALIDATOR_ERRORS as error:
        return Checked(unknown=str(error)[:800])
    contradiction = next(_contradictions(evidence, reported, subject, plan), None)
    if contradiction is not None:
        return Checked(difference=contradiction[:800])
    try:
        found = repeat(evidence, context)
    except VALIDATOR_ERRORS as error:
        return Checked(unknown=str(error)[:800])
    if found.difference is not None and found.is_incomplete:
        return Checked(unknown=f"not all could be read again: {found.again.why if found.again else ''}"[:800])
    return Checked(difference=(found.difference or "")[:800])


def _contradictions(evidence: Evidence, reported: Reported, subject: Subject, plan: Plan) -> Iterator[str]:
    told, own = evidence.subject, subject
    if told.validator != reported.validator:
        yield f"subject: the evidence is {told.validator}'s"
    if told.beacon is None or told.beacon != own.beacon:
        yield f"beacon: the evidence has {told.beacon}, here it is {own.beacon}"
    for name in ("repo", "revision", "line", "hotkey"):
        if getattr(told.submission, name) != getattr(own.submission, name):
            yield f"submission: the evidence has another {name}"
    if told.submission.committed_block not in (own.submission.committed_block, own.task.closed_block):
        yield f"submission: the evidence has the block {told.submission.committed_block}"
    if told.task != own.task:
        yield "task: the evidence has another task, other WARCs or other blocks"
    if evidence.plan.rows < plan.rows or evidence.plan.windows < plan.windows:
        yield f"plan: {evidence.plan.rows} rows and {evidence.plan.windows} windows were checked, which is too little"
    if evidence.verdict != reported.verdict:
        yield f"verdict: the evidence has {evidence.verdict}, the report {reported.verdict}"
    if abs((evidence.total or 0.0) - reported.score) > SAME_TOTAL:
        yield f"total: the evidence has {evidence.total}, the report {reported.score}"
    tokens = evidence.measured.verified_tokens if evidence.measured and evidence.verdict == "pass" else 0
    if reported.tokens is not None and reported.tokens != tokens:
        yield f"tokens: the evidence has {tokens}, the report {reported.tokens}"
