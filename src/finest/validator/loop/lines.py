"""The lines of a validator's queue: as they are observed, waiting, judged, and to be reported or paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from finest.validator.loop.weights import Past
from finest.validator.models import Outcome
from finest.validator.price import priced

TOKENS_A_WARC = 1_500_000
"""Tokens that `fineweb` keeps of a WARC, for verdicts of versions that did not store them: 1 to 2.5 million by the rows
that FineWeb has of each crawl."""


@dataclass(frozen=True, slots=True)
class ObservedLine:
    """A commitment line as read from the chain or the task server."""

    hotkey: str
    line: str
    registered_block: int
    """The block at which the hotkey registered."""
    block: int
    """The block of the line's commitment; for a line that was replaced since, the block that finished its task."""
    standing: bool
    """Whether `block` is the commitment's own block."""
    size: int | None
    """WARCs of its task; None until the task server has named them."""


@dataclass(frozen=True, slots=True)
class Entry(ObservedLine):
    """A line in the queue."""

    id: int
    tries: int
    why: str
    """Why the last attempt gave no verdict."""
    share: float | None = None
    """Probability with which it was drawn to be judged; None before the draw."""
    apart: bool | None = None
    """Whether its verdict takes so long that it is judged beside all others; None until that is known."""


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A verdict as the queue stores it."""

    verdict: Outcome
    total: float
    forged: bool
    task_id: str | None
    warcs: tuple[str, ...]
    block: int
    """The block at which the verdict was given."""
    evidence_sha256: str
    why: str
    cpu_s: float
    tokens: float = 0.0
    """Verified tokens."""
    price: float = 1.0
    """Multiple of the usual pay of a verified token (finest.validator.price)."""
    seals: bool = False
    """Whether the task server is told the evidence's hash at once."""


@dataclass(frozen=True, slots=True)
class Report:
    """A verdict that has not been reported to the task server yet."""

    id: int
    task_id: str
    verdict: Outcome
    total: float
    evidence_sha256: str | None
    """None for a line that failed because its dataset is gone, before anybody judged it."""
    why: str
    tokens: float | None
    evidence: str | None = None
    """Where the evidence is published, OWNER/NAME@REVISION#ROOT; None if it is not."""
    may_be_published: bool = False
    """Whether the evidence can still be published."""


@dataclass(frozen=True, slots=True)
class PaidLine:
    """A line that passed, or that the draw left out: its dataset is paid for, directly or by those that were drawn."""

    id: int
    hotkey: str
    line: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Number of lines by state."""

    waiting: int
    verdicts: dict[str, int]


def past_of(row: sa.Row[Any]) -> Past:
    """Return what the weights count of a row of the queue's table."""
    size = len(row.warcs.split()) if row.size is None else row.size
    tokens = TOKENS_A_WARC * size if row.tokens is None else priced(row.tokens, 1.0 if row.price is None else row.price)
    if row.verdict is None:
        return Past(
            row.hotkey, row.registered_block, row.block, row.block, "no_evidence", 0.0, False, size, 0.0, row.share
        )
    return Past(
        row.hotkey, row.registered_block, row.block, row.judged_block, row.verdict, row.total, row.forged, size, tokens,
        row.share or 1.0,
    )  # fmt: skip
