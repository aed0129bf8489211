"""Weights: what each hotkey is paid for the work that was verified. One pure function of the verdicts and the block.

    weight       =  reliability x (70 % of the pay of the last day + 30 % of the mean daily pay of 30 days)
    pay          =  verified + unjudged
    verified     =  sum of score x verified tokens over the tasks that it committed and that passed
    unjudged     =  WARCs a day that were not judged x value of a WARC, both over at least three days
    reliability  =  WARCs that passed / (WARCs that were judged + 4), over 30 days

If there are more tasks than a validator can judge, it judges a random part (finest.validator.loop.sampling). A judged
task that was drawn with probability p stands for itself and for (1 - p) / p tasks like it that were not drawn; the
value of a WARC is the mean over those. So the expected pay is what it would be if everything had been judged, whatever
the sizes of the tasks, whichever of them are empty, and in whatever order they come. All sums are of work and none
counts tasks, so cutting work into more or fewer tasks, or sharing it among hotkeys, changes nothing.

The 30 % vest: a dataset that is gone when it is looked at again (finest.validator.loop.availability) becomes a fail,
and what it would still have been paid is forfeit.

A verdict without evidence is not paid and lowers no reliability. It pays for no tasks like it either: a drawn task that
gives no evidence, or none yet, counts as worth nothing in the value of a WARC. Otherwise tasks made to exceed a
validator's budget would be paid by the honest ones. A fail is worth nothing and lowers the reliability by its
work. If rows were forged or pages left out under a known recipe, everything so far is void, and commitments made in the
day after the verdict do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from finest.validator.models import Outcome

PAID_BLOCKS = 7200
"""A day of 12 s blocks, as in the task server's count of what it assigns to a hotkey."""
UNJUDGED_DAYS = 3
"""Work that was not judged is paid over so many days, by what was judged of the same days: never by older work, which
may have been better. In three days nearly every hotkey has a verdict even if only two of its tasks a day are judged."""
VESTED_SHARE, VESTING_DAYS = 0.3, 30
"""The share of the pay that vests evenly over so many days, as long as the dataset can be read."""
PROBATION_BLOCKS = 7200
"""Blocks during which a forger is not paid. 62 % of audits detect forgery of 5 % of rows, so a day's pay at stake is
far more than the forger saves."""
MAX_AGE_BLOCKS = 30 * 7200
"""Age limit of verdicts."""
PRIOR_WARCS = 4.0
"""Work without a verdict that every new hotkey starts with, so that its first work pays less than its later work and
starting anew costs something: the default size of a task."""
CLAIMED: Literal["claimed"] = "claimed"
"""State of a line that the draw left out: paid by the value of the hotkey's judged tasks."""


@dataclass(frozen=True, slots=True)
class Past:
    """One past verdict, or a line that was not drawn."""

    hotkey: str
    registered_block: int
    """The block at which the hotkey had registered when the verdict was given."""
    block: int
    """The block of the commitment."""
    judged_block: int
    verdict: Outcome | Literal["claimed"]
    total: float
    forged: bool
    warcs: int
    tokens: float = 0.0
    """Verified tokens; 0 unless the task passed."""
    share: float = 1.0
    """Probability with which the line was drawn to be judged."""

    @property
    def work(self) -> float:
        """The WARCs that this verdict stands for: its own and those of tasks like it that were not drawn."""
        return self.warcs / self.share

    @property
    def value(self) -> float:
        return self.total * self.tokens

    @property
    def others(self) -> float:
        """The number of tasks like it that were not drawn, in expectation."""
        return (1 - self.share) / self.share


@dataclass(frozen=True, slots=True)
class HotkeyScore:
    """A hotkey's standing from its verdicts."""

    verified: float = 0.0
    """Sum of score x verified tokens over the passed tasks of the last day."""
    unjudged: float = 0.0
    """Pay of a day for tasks that the draw left out, by what was judged of the last three days."""
    vesting: float = 0.0
    """Mean daily pay of the last 30 days."""
    passed_work: float = 0.0
    judged_work: float = 0.0
    passed: int = 0
    failed: int = 0
    until_block: int = 0
    """Commitments before this block do not count."""

    @property
    def reliability(self) -> float:
        return self.passed_work / (self.judged_work + PRIOR_WARCS)

    @property
    def weight(self) -> float:
        pay = (1 - VESTED_SHARE) * (self.verified + self.unjudged) + VESTED_SHARE * self.vesting
        return self.reliability * pay


def hotkey_scores(pasts: Iterable[Past], block: int) -> dict[str, HotkeyScore]:
    """Compute every hotkey's standing at a block; `pasts` must be in the order of the commitments."""
    own: dict[str, list[Past]] = {}
    for past in pasts:
        own.setdefault(past.hotkey, []).append(past)
    return {hotkey: _standing(found, block) for hotkey, found in own.items()}


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


def _standing(pasts: Sequence[Past], block: int) -> HotkeyScore:
    counted, score = _after_lies(pasts)
    judged = [past for past in counted if past.verdict in ("pass", "fail")]
    passed = [past for past in judged if past.verdict == "pass"]
    vesting = _verified(passed, block, VESTING_DAYS) + _unjudged(counted, block, VESTING_DAYS)
    return replace(
        score, verified=_verified(passed, block, 1), unjudged=_unjudged(counted, block, UNJUDGED_DAYS), vesting=vesting,
        passed_work=sum(past.work for past in passed),
        judged_work=score.judged_work + sum(past.work for past in judged),
        passed=len(passed), failed=score.failed + len(judged) - len(passed),
    )  # fmt: skip


def _verified(passed: Sequence[Past], block: int, days: int) -> float:
    """Return the mean daily pay for passed tasks."""
    return sum(past.value for past in passed if past.block > block - days * PAID_BLOCKS) / days


def _unjudged(pasts: Sequence[Past], block: int, days: int) -> float:
    """Return the mean daily pay for tasks that the draw left out, by the judged tasks of the same days."""
    recent = [past for past in pasts if past.block > block - days * PAID_BLOCKS]
    judged = [past for past in recent if past.verdict != CLAIMED]
    others = sum(past.others * past.warcs for past in judged)
    warcs = sum(past.warcs for past in recent if past.verdict == CLAIMED)
    return warcs / days * sum(past.others * past.value for past in judged) / others if others else 0.0


def _after_lies(pasts: Sequence[Past]) -> tuple[list[Past], HotkeyScore]:
    """Return what counts after the last lie and its day, and the standing that the lie left."""
    counted: list[Past] = []
    score = HotkeyScore()
    for past in pasts:
        if past.forged:
            until_block = max(score.until_block, past.judged_block + PROBATION_BLOCKS)
            score = HotkeyScore(judged_work=past.work, failed=score.failed + 1, until_block=until_block)
            counted = []
        elif past.block >= score.until_block:
            counted.append(past)
    return counted, score
