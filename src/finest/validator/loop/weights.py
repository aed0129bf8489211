"""Weights: what each hotkey is paid for the work that was verified. One pure function of the verdicts and the block.

    weight       =  reliability x (70 % of the mean daily pay of 3 days + 30 % of the mean daily pay of 30 days)
    pay          =  sum of score x verified tokens / probability over the tasks that it committed and that passed
    reliability  =  work that passed / work that was judged, over 30 days; the work of a task is WARCs / probability

The probability is that with which a task was drawn to be judged: 1, unless more is committed than can be judged
(finest.validator.loop.sampling). The pay is linear in the tasks and none counts tasks, so the expected pay of a task is
its value, whatever the sizes of the tasks, whichever of them are empty, in whatever order they come, and however they
are shared among hotkeys.

The chain pays by a median over the validators, which therefore compute the same numbers: from the same draw, at
the same block (`common_block`), and from tasks that were committed at least eight hours before, which all have judged
or adopted by then. So it does not matter who judged a task first, and a hotkey that does little is paid like one that
does much.

A new hotkey is paid less at first, since 30 % vest over 30 days. A dataset that is gone when it is looked at again
(finest.validator.loop.availability) becomes a fail, and what it would still have been paid is forfeit.

A verdict without evidence is not paid and lowers no reliability. A fail is worth nothing and lowers the reliability by
its work. If rows were forged or pages left out under a known recipe, everything so far is void, and commitments made in
the day after the verdict do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from finest.validator.models import Outcome

PAID_BLOCKS = 7200
"""A day of 12 s blocks, as in the task server's count of what it assigns to a hotkey."""
PAY_DAYS = 3
"""The pay that does not vest is spread over this many days. A hotkey with one task a day has two to four tasks in them,
so that its weight does not swing between nothing and twice its mean."""
SETTLING_BLOCKS = 2400
"""Blocks from a commitment to its pay: eight hours. In six, a validator has adopted the verdict on a task or begins to
judge it (committee.WAIT_BLOCKS)."""
VESTED_SHARE, VESTING_DAYS = 0.3, 30
"""The share of the pay that vests evenly over so many days, as long as the dataset can be read."""
PROBATION_BLOCKS = 7200
"""Blocks during which a forger is not paid. 62 % of audits detect forgery of 5 % of rows, so a day's pay at stake is
far more than the forger saves."""
MAX_AGE_BLOCKS = 30 * 7200
"""Age limit of verdicts."""
CLAIMED: Literal["claimed"] = "claimed"
"""State of a line that the draw left out: the judged ones are paid for it."""


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
        """The pay for this verdict, scaled up by the probability with which its task was drawn."""
        return self.total * self.tokens / self.share if self.verdict == "pass" else 0.0


@dataclass(frozen=True, slots=True)
class HotkeyScore:
    """A hotkey's standing from its verdicts."""

    pay: float = 0.0
    """Mean daily pay of the last three days that are settled: score x verified tokens of the passed tasks."""
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
        return self.passed_work / self.judged_work if self.judged_work else 0.0

    @property
    def weight(self) -> float:
        return self.reliability * ((1 - VESTED_SHARE) * self.pay + VESTED_SHARE * self.vesting)


def common_block(block: int, tempo_blocks: int) -> int:
    """Return the block at which weights are computed: all validators of a tempo use the same."""
    return block - block % max(1, tempo_blocks)


def hotkey_scores(pasts: Iterable[Past], block: int) -> dict[str, HotkeyScore]:
    """Compute every hotkey's standing at a block; `pasts` must be in the order of the commitments.

    Only settled tasks are paid. While no hotkey has one, as in the first hours of a subnet, the others are.
    """
    own: dict[str, list[Past]] = {}
    for past in pasts:
        own.setdefault(past.hotkey, []).append(past)
    found = _standings(own, block - SETTLING_BLOCKS)
    if any(one.weight > 0 for one in found.values()):
        return found
    newest = max((past.block for past in chain.from_iterable(own.values())), default=block)
    return _standings(own, max(block, newest))


def _standings(own: Mapping[str, Sequence[Past]], until: int) -> dict[str, HotkeyScore]:
    return {hotkey: _standing(pasts, until) for hotkey, pasts in own.items()}


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


def _standing(pasts: Sequence[Past], until: int) -> HotkeyScore:
    """Compute the standing with the pay of tasks committed up to a block."""
    counted, score = _after_lies(pasts)
    judged = [past for past in counted if past.verdict in ("pass", "fail")]
    passed = [past for past in judged if past.verdict == "pass"]
    return replace(
        score, pay=_daily(passed, until, PAY_DAYS), vesting=_daily(passed, until, VESTING_DAYS),
        passed_work=sum(past.work for past in passed),
        judged_work=score.judged_work + sum(past.work for past in judged),
        passed=len(passed), failed=score.failed + len(judged) - len(passed),
    )  # fmt: skip


def _daily(passed: Sequence[Past], until: int, days: int) -> float:
    """Return the mean daily pay of the days before a block."""
    return sum(past.value for past in passed if until - days * PAID_BLOCKS < past.block <= until) / days


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
