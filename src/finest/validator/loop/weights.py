"""From verdicts to weights: one pure function of the verdicts and the block.

    ema     <- 0.8 ema + 0.2 score, from 0, over a hotkey's verdicts in the order of its commitments
    weight  =  ema x WARCs of passed tasks that were committed in the last day

No evidence changes nothing. A fail scores 0; where rows were forged or pages left out, the average begins again from 0
and what was committed in the day after the verdict counts for nothing. So a miner is paid in proportion to what it did
and to how well it does, and nobody takes all: the product is coverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from finest.validator.models import Outcome

KEEP = 0.8
"""Of the average before, at each verdict: half of it is of the last three."""
PAID_BLOCKS = 7200
"""A day of 12 s blocks, as the task server counts what it gives a hotkey."""
PROBATION_BLOCKS = 7200
"""A forger of 5 % of rows is found by 62 % of audits: a day's pay at stake is far more than what it saves."""
MEMORY_BLOCKS = 30 * 7200
"""Older verdicts are not read: after 20 of them nothing is left of one in the average."""


@dataclass(frozen=True, slots=True)
class Past:
    """One verdict."""

    hotkey: str
    registered_block: int
    """Of the seat that the hotkey had then."""
    block: int
    """Of the commitment."""
    judged_block: int
    verdict: Outcome
    total: float
    forged: bool
    warcs: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a hotkey's verdicts come to."""

    ema: float = 0.0
    warcs: int = 0
    """Of passed tasks that were committed in the last day."""
    passed: int = 0
    failed: int = 0
    until_block: int = 0
    """What is committed before this block counts for nothing."""

    @property
    def weight(self) -> float:
        return self.ema * self.warcs


def standings(pasts: Iterable[Past], block: int) -> dict[str, Standing]:
    """Every hotkey's standing at that block; verdicts in the order of their commitments."""
    found: dict[str, Standing] = {}
    for past in pasts:
        found[past.hotkey] = _after(found.get(past.hotkey, Standing()), past, block)
    return found


def of_present_seats(pasts: Sequence[Past]) -> list[Past]:
    """The verdicts on whoever holds each hotkey's newest seat, where the chain cannot be asked whose that is."""
    seats: dict[str, int] = {}
    for past in pasts:
        seats[past.hotkey] = max(past.registered_block, seats.get(past.hotkey, 0))
    return [past for past in pasts if past.registered_block == seats[past.hotkey]]


def weights(pasts: Iterable[Past], block: int, seats: Mapping[str, int]) -> dict[str, float]:
    """Weights by hotkey, those above zero; empty where nobody has a score: then none are set.

    `seats` has the registration block of every hotkey that is on the subnet. Verdicts of whoever held the seat before
    do not count.
    """
    own = [past for past in pasts if seats.get(past.hotkey) == past.registered_block]
    return {hotkey: one.weight for hotkey, one in standings(own, block).items() if one.weight > 0}


def _after(before: Standing, past: Past, block: int) -> Standing:
    if past.verdict == "no_evidence":
        return before
    if past.forged:
        until_block = max(before.until_block, past.judged_block + PROBATION_BLOCKS)
        return replace(before, ema=0.0, warcs=0, failed=before.failed + 1, until_block=until_block)
    if past.block < before.until_block:
        return before
    passed = past.verdict == "pass"
    paid = past.warcs if passed and past.block > block - PAID_BLOCKS else 0
    return replace(
        before, ema=KEEP * before.ema + (1 - KEEP) * past.total, warcs=before.warcs + paid,
        passed=before.passed + passed, failed=before.failed + (not passed),
    )  # fmt: skip
