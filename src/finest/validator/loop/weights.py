"""Weights: computed from the verdicts and the block by one pure function, with decay of older scores.

    ema     <- 0.8 ema + 0.2 score, from 0, over a hotkey's verdicts in the order of its commitments
    weight  =  ema x WARCs of passed tasks that were committed in the last day

A verdict without evidence changes nothing. A fail scores 0. If rows were forged or pages left out, the average restarts
from 0, and commitments made in the day after the verdict do not count. A miner is therefore paid in proportion to how
much it does and how well, and no single miner takes all: the product is coverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from finest.validator.models import Outcome

DECAY = 0.8
"""Decay of the average at each verdict; the last three verdicts make up half of the average."""
PAID_BLOCKS = 7200
"""A day of 12 s blocks, as in the task server's count of what it assigns to a hotkey."""
PROBATION_BLOCKS = 7200
"""Blocks during which a forger is not paid. 62 % of audits detect forgery of 5 % of rows, so a day's pay at stake is
far more than the forger saves."""
MAX_AGE_BLOCKS = 30 * 7200
"""Age limit of verdicts. After 20 further verdicts hardly anything of one is left in the average."""


@dataclass(frozen=True, slots=True)
class Past:
    """One past verdict."""

    hotkey: str
    registered_block: int
    """The block at which the hotkey had registered when the verdict was given."""
    block: int
    """The block of the commitment."""
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
    """WARCs of passed tasks that were committed in the last day."""
    passed: int = 0
    failed: int = 0
    until_block: int = 0
    """Commitments before this block do not count."""

    @property
    def weight(self) -> float:
        return self.ema * self.warcs


def hotkey_scores(pasts: Iterable[Past], block: int) -> dict[str, HotkeyScore]:
    """Compute every hotkey's score at a block; `pasts` must be in the order of the commitments."""
    found: dict[str, HotkeyScore] = {}
    for past in pasts:
        found[past.hotkey] = _update(found.get(past.hotkey, HotkeyScore()), past, block)
    return found


def of_current_registrations(pasts: Sequence[Past]) -> list[Past]:
    """Return the verdicts on each hotkey's newest registration, for use when the chain cannot be asked for it."""
    registrations: dict[str, int] = {}
    for past in pasts:
        registrations[past.hotkey] = max(past.registered_block, registrations.get(past.hotkey, 0))
    return [past for past in pasts if past.registered_block == registrations[past.hotkey]]


def weights(pasts: Iterable[Past], block: int, registrations: Mapping[str, int]) -> dict[str, float]:
    """Compute the weights above zero by hotkey; empty if no hotkey has a score, in which case no weights are set.

    `registrations` has the registration block of every hotkey on the subnet. Verdicts on an earlier registration of a
    hotkey do not count.
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
