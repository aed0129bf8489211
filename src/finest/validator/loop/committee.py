"""Who judges a task: three validators, drawn by stake. The others adopt what these agree on, and check a part of it.

The draw uses the same block as the seeds of the audit, which nobody knew when the miner committed. Each validator v has
the number -ln(u) / stake, where u follows from its own seed for the line; the three smallest judge. So a validator is
drawn in proportion to its stake, and everybody can repeat the draw.

A validator that was not drawn waits for the three. It adopts a pass on which they agree; after six hours, a pass on
which at least half of them agree while the others are silent. It judges by itself what they do not agree on, every fail
(whose proof it needs), what fewer have judged within six hours, and one task in 32 at random. It compares what it
judges with what they reported, and no longer adopts from a validator that often differs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from finest.validator.seed import Draw, make_seed

if TYPE_CHECKING:
    from finest.chain.view import SubnetView
    from finest.tasks.models import Score
    from finest.validator.models import Evidence

MEMBERS = 3
"""Validators that judge a task. Forged rows (5 % of a dataset) are found by one of three audits with 95 %."""
WAIT_BLOCKS = 1800
"""How long the others wait for the verdicts: six hours, of the day in which the task is paid."""
ASK_BLOCKS = 50
"""Blocks between two questions for the verdicts on one task: ten minutes."""
SPOT_CHECKS = 32
"""One in so many tasks is judged by a validator that was not drawn for it."""
JUDGED_BY_ALL = 0.5
"""Share of the drawn tasks that every validator is expected to judge: fails, disagreements and what the drawn three
leave. If it is more, verdicts come late. In the simulation (bench/subnet) it is 0.5: a third of the hotkeys deliver
nothing of worth in large tasks, and nearly half of the stake is lazy, silent or colluding."""
SAME_SCORE = 0.15
"""Scores of two honest audits differ by less: quality differs by 0.04 in sd between seeds at a million tokens, and the
rows and pages that one audit misses another may find."""
MIN_DIFFERENT, MAX_DIFFERENT_SHARE = 3, 0.2
"""A validator is not adopted from any more if it differed at least so often, and in more than this share."""
_SCALE = 1 << 53


@dataclass(frozen=True, slots=True)
class Agreed:
    """The committee's agreement: a pass with this score and this number of verified tokens."""

    total: float
    tokens: float


def stakes_of(view: SubnetView) -> dict[str, float]:
    """Return the stake of every validator that may be drawn."""
    return {
        neuron.hotkey: neuron.stake_alpha
        for neuron in view.neurons
        if neuron.validator_permit and neuron.stake_alpha > 0
    }


def committee(block_hash: str, line: str, stakes: Mapping[str, float]) -> list[str]:
    """Return the hotkeys of the validators that judge this line."""
    return sorted(stakes, key=lambda hotkey: (_rank(block_hash, line, hotkey, stakes[hotkey]), hotkey))[:MEMBERS]


def share_of_busiest(stakes: Mapping[str, float]) -> float:
    """Return about which share of all tasks the validator with the most stake judges, 1 if there are no others.

    It is drawn in proportion to its stake, first or as one of those that are left. Of the other tasks it judges spot
    checks, and those on which the drawn validators do not agree that they passed.
    """
    whole, most = sum(stakes.values()), max(stakes.values(), default=0.0)
    if len(stakes) <= MEMBERS or not whole:
        return 1.0
    drawn = 1 - (1 - most / whole) ** MEMBERS
    return drawn + (1 - drawn) * (1 / SPOT_CHECKS + JUDGED_BY_ALL)


def _rank(block_hash: str, line: str, hotkey: str, stake: float) -> float:
    number = Draw(make_seed(block_hash, line, hotkey), "committee").below(_SCALE) + 1
    return -math.log(number / _SCALE) / stake


def is_spot_check(seed: str) -> bool:
    """Return whether the validator with this seed judges the line although it was not drawn for it."""
    return Draw(seed, "spot-check").below(SPOT_CHECKS) == 0


def usable(scores: Iterable[Score], members: Collection[str]) -> list[Score]:
    """Return the verdicts of these validators that say pass or fail, with verified tokens."""
    return [
        score
        for score in scores
        if score.validator in members and score.verdict != "no_evidence" and score.tokens is not None
    ]


def agreed(scores: Sequence[Score]) -> Agreed | None:
    """Return the pass on which these verdicts agree; None if they do not, or if one is a fail."""
    totals = [score.score for score in scores]
    if not scores or any(score.verdict != "pass" for score in scores) or max(totals) - min(totals) > SAME_SCORE:
        return None
    return Agreed(median(totals), median(score.tokens or 0 for score in scores))


def suffice(scores: Collection[Score], members: Collection[str]) -> bool:
    """Return whether these verdicts of so many members can be adopted after the wait: of at least half of them.

    If one silent member were enough to make everybody judge the task, a tenth of the stake that never reports would
    double the work of all others.
    """
    return 0 < len(members) <= 2 * len(scores)


def differs(score: Score, evidence: Evidence) -> bool:
    """Return whether a reported verdict contradicts one's own; own lack of evidence contradicts nothing."""
    if evidence.verdict == "no_evidence":
        return False
    return score.verdict != evidence.verdict or abs(score.score - (evidence.total or 0.0)) > SAME_SCORE
