"""The subject of an audit, built from data of the chain and the task server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finest.chain.payload import decode
from finest.dataset.hub import parse_place, task_place
from finest.errors import UsageError
from finest.validator.models import Assignment, Beacon, Subject, Submission
from finest.validator.price import capped
from finest.validator.seed import BEACON_BLOCKS, make_seed

if TYPE_CHECKING:
    from finest.chain.commitments import ChainCommitment
    from finest.chain.subnet import Chain
    from finest.tasks.models import Task

COMMON_CRAWL = "s3://commoncrawl/"
"""Prefix that rows put before a path of Common Crawl (finest.warc.source.name_sources)."""


def submission_of(where: str) -> Submission:
    """Parse `OWNER/NAME@REVISION`; a folder gives an empty submission. Raises UsageError without a revision."""
    if Path(where).is_dir():
        return Submission()
    named = parse_place(where)
    if named.sha is None:
        raise UsageError(f"{named.repo} names no revision: write {named.repo}@REVISION with 40 hex digits")
    return Submission(repo=named.repo, revision=named.sha)


def place_of(subject: Subject) -> str | None:
    """Return the place of a submission, which is the folder of its task; None for an audit of a local folder."""
    told = subject.submission
    return task_place(told.repo, told.revision, subject.task.id) if told.repo and told.revision else None


def assignment_of(task: Task) -> Assignment:
    """Convert a task, as the task server described it, to an assignment."""
    return Assignment(
        warcs=tuple(COMMON_CRAWL + path for path in task.warcs), id=task.id, hotkey=task.hotkey,
        state=task.state.value, commitment=task.commitment, leased_block=task.leased_block,
        expires_block=task.expires_block, due_block=task.due_block, closed_block=task.closed_block,
        language=task.language, recipe_hash=task.recipe_hash, price=capped(task.price), packet=task.packet,
        merge=task.merge,
    )  # fmt: skip


def subject_of(task: Task, where: str, chain: Chain, seed: str | None = None) -> Subject:
    """Return a task's submission as a subject, with the given seed or the one computed from the chain.

    The block of the commitment is known only while the chain holds the line. Without it there is no beacon: raises
    UsageError unless a seed is given. Raises ChainError if the block of the beacon is not final yet.
    """
    told = submission_of(where)
    standing = next((one for one in chain.commitments() if one.hotkey == task.hotkey), None)
    standing = standing if standing and task.commitment and standing.commitment == decode(task.commitment) else None
    submission = told.model_copy(update={"hotkey": task.hotkey, "line": task.commitment or "", **_place(standing)})
    if seed is not None:
        return Subject(submission=submission, task=assignment_of(task), seed=seed, validator=chain.hotkey.address)
    if standing is None:
        raise UsageError(f"the chain does not hold the line of task {task.id} (any more): name a --seed")
    return drawn(submission, assignment_of(task), chain)


def drawn(submission: Submission, task: Assignment, chain: Chain) -> Subject:
    """Return the subject with the seed computed from the chain; the block of the commitment must be known.

    The beacon also comes after the finish of the task. Otherwise a miner could compute between the two what would be
    drawn, and leave a line unfinished that would not pass. Raises ChainError if the block of the beacon is not final
    yet or the chain is unreachable.
    """
    assert submission.committed_block is not None
    number = max(submission.committed_block, task.closed_block or 0) + BEACON_BLOCKS
    beacon = Beacon(block=number, hash=chain.block_hash(number))
    validator = chain.hotkey.address
    seed = make_seed(beacon.hash, submission.line or "", validator)
    return Subject(submission=submission, task=task, seed=seed, validator=validator, beacon=beacon)


def _place(standing: ChainCommitment | None) -> dict[str, int]:
    return {"uid": standing.uid, "committed_block": standing.block} if standing else {}
