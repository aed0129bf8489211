"""Weights: computed from the verdicts and the block by one pure function, with decay of older scores.

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

DECAY = 0.8
"""Decay of the average at each verdict; the last three verdicts make up half of the average."""
PAID_BLOCKS = 7200
"""A day of 12 s blocks, as the task server counts what it gives a hotkey."""
PROBATION_BLOCKS = 7200
"""A forger of 5 % of rows is found by 62 % of audits: a day's pay at stake is far more than what it saves."""
MAX_AGE_BLOCKS = 30 * 7200
"""Older verdicts are not read: after 20 of them nothing is left of one in the average."""


@dataclass(frozen=True, slots=True)
class Past:
    """One verdict."""

    hotkey: str
    registered_block: int
    """The block at which the hotkey had registered when the verdict was given."""
    block: int
    """Of the commitment."""
    judged_block: int
    verdict: Outcome
    total: float
    forged: bool
    warcs: int


@dataclass(frozen=True, slots=True)
class HotkeyScore:
    """A hotkey's score from its verdicts."""

    ema: float = 0.0
    warcs: int = 0
    """Of passed tasks that were committed in the last day."""
    passed: int = 0
    failed: int = 0
    until_block: int = 0
    """Commitments before this block do not count."""

    @property
    def weight(self) -> float:
        return self.ema * self.warcs


def hotkey_scores(pasts: Iterable[Past], block: int) -> dict[str, HotkeyScore]:
    """Every hotkey's score at that block; give the verdicts in the order of their commitments."""
    found: dict[str, HotkeyScore] = {}
    for past in pasts:
        found[past.hotkey] = _update(found.get(past.hotkey, HotkeyScore()), past, block)
    return found


def of_current_registrations(pasts: Sequence[Past]) -> list[Past]:
    """The verdicts on whoever holds each hotkey's newest seat, where the chain cannot be asked whose that is."""
    registrations: dict[str, int] = {}
    for past in pasts:
        registrations[past.hotkey] = max(past.registered_block, registrations.get(past.hotkey, 0))
    return [past for past in pasts if past.registered_block == registrations[past.hotkey]]


def weights(pasts: Iterable[Past], block: int, registrations: Mapping[str, int]) -> dict[str, float]:
    """Weights by hotkey, those above zero; empty where nobody has a score: then none are set.

    `seats` has the registration block of every hotkey that is on the subnet. Verdicts of whoever held the seat before
    do not count.
    """
    own = [past for past in pasts if registrations.get(past.hotkey) == past.registered_block]
    return {hotkey: one.weight for hotkey, one in hotkey_scores(own, block).items() if one.weight > 0}


def _update(before: HotkeyScore, past: Past, block: int) -> HotkeyScore:
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
        before, ema=DECAY * before.ema + (1 - DECAY) * past.total, warcs=before.warcs + paid,
        passed=before.passed + passed, failed=before.failed + (not passed),
    )  # fmt: skip
