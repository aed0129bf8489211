"""Pay validators for right verdicts on canaries.

A canary is a task whose dataset the operator of the task server made good or bad on purpose (finest.tasks.canaries).
Nobody else knows which tasks are canaries until they are revealed, days after all verdicts on them are public.

Consensus alone does not make laziness expensive. Most verdicts are adopted from the three validators that are drawn for
a task, so whoever judges nothing, passes its own tasks unread and adopts the rest sets nearly the weights of an honest
validator (bench/subnet/canaries.py). So a part of the weights, CHECK_SHARE, goes to validators for right verdicts on
revealed canaries. A wrong verdict takes away several right ones.

A verdict counts only if the validator named the hash of its evidence to the task server before anybody's verdict on the
task was public. Otherwise the others' verdicts could be copied.

A canary counts only if most of those who judged it agree with what it was said to be. So an operator cannot call a
dataset bad that is not, and a validator cannot be paid or fined for what the operator and it alone say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from finest.tasks.canaries import opened

if TYPE_CHECKING:
    from finest.tasks.models import Task
    from finest.validator.loop.queue import Queue

CHECK_SHARE = 0.08
"""Share of the weights for right verdicts. Validators and miners get equal halves of the emission, so it adds 8 % or
more to the dividends of a validator that reads; laziness has to cost 5 % (bench/results/canaries.json)."""
WRONG_COSTS = 4
"""Right verdicts that a wrong one takes away. Half of the canaries are bad, so whoever passes all unread is right and
wrong equally often and earns nothing; nor does it if only a fifth are bad. An honest audit misses a bad canary in less
than one of a hundred cases, so it loses at most a twentieth."""
MIN_SUPPORT = 0.52
"""Share of the stake that has to agree with a payment without the stake of its receiver, whose weight on itself does
not count on the chain. Consensus needs half; a payment without a majority only dilutes the weights of those who pay."""
EVERY_S = 3600.0
"""Time between two looks at what was revealed; keys are revealed once a day."""
RECENT_BLOCKS = 7 * 7200
"""Canaries are paid for a week after they were finished and revealed, so that a validator that was away for a day
loses little."""


class CanaryServer(Protocol):
    """The part of a task server that is needed."""

    def canaries(self) -> Iterator[Task]: ...


@dataclass(frozen=True, slots=True)
class Canary:
    """A revealed canary, with the verdicts that were reported before it was revealed."""

    task: str
    bad: bool
    verdicts: Mapping[str, str]
    """Verdict by validator; `no_evidence` is neither right nor wrong."""

    @property
    def expected(self) -> str:
        """The right verdict."""
        return "fail" if self.bad else "pass"

    def right(self) -> dict[str, bool]:
        """Return for each validator with a verdict whether it was right; empty if most of them were not."""
        found = {
            name: verdict == self.expected for name, verdict in self.verdicts.items() if verdict in ("pass", "fail")
        }
        return found if 2 * sum(found.values()) > len(found) else {}


def earned(canaries: Iterable[Canary]) -> dict[str, int]:
    """Return what each validator has earned: its right verdicts, less WRONG_COSTS for each wrong one; none below 1."""
    points: Counter[str] = Counter()
    for canary in canaries:
        for validator, right in canary.right().items():
            points[validator] += 1 if right else -WRONG_COSTS
    return {validator: count for validator, count in points.items() if count > 0}


def with_payments(
    weights: Mapping[str, float], points: Mapping[str, int], stakes: Mapping[str, float]
) -> dict[str, float]:  # fmt: skip
    """Return the weights with the payments for right verdicts; `stakes` are those of all validators.

    Each validator that has earned something gets its part of CHECK_SHARE, unless too little stake would be left to
    agree without its own: then its part stays with the miners.
    """
    whole, every = sum(weights.values()), sum(stakes.values())
    known = {name: count for name, count in points.items() if name in stakes}
    if not known or whole <= 0 or every <= 0:
        return dict(weights)
    support = sum(stakes[name] for name in known) / every
    paid = {
        name: CHECK_SHARE * count / sum(known.values())
        for name, count in known.items()
        if support - stakes[name] / every >= MIN_SUPPORT
    }
    left = (1 - sum(paid.values())) / whole
    found = {name: weight * left for name, weight in weights.items()}
    return found | {name: found.get(name, 0.0) + share for name, share in paid.items()}


class Revealed:
    """Follows the canaries that the task server reveals."""

    def __init__(self, server: CanaryServer, queue: Queue, say: Callable[[str], None]) -> None:
        self._server, self._queue, self._say = server, queue, say
        self.points: dict[str, int] = {}
        """Return the recent earnings of each validator."""

    def round(self, block: int) -> float:
        """Read what was revealed lately; return the seconds until the next round. Raises TaskServerError.

        What a canary still stands for in the weights is void, and validators that were wrong are trusted less.
        """
        found = []
        for task in self._server.canaries():
            if task.revealed_block is None or task.revealed_block <= block - RECENT_BLOCKS:
                break
            canary = canary_of(task)
            if canary is None:
                self._say(f"Task {task.id} is revealed as a canary, which its seal does not say; it does not count")
                continue
            found.append(canary)
            if self._queue.reveal(task.id):
                self._queue.compare({name: not right for name, right in canary.right().items()})
        self.points = earned(found)
        return EVERY_S


def canary_of(task: Task) -> Canary | None:
    """Return a revealed canary with the verdicts before; None if its seal does not say what it was revealed as."""
    if task.seal is None or task.canary is None or task.canary_key is None or task.revealed_block is None:
        return None
    if opened(task.seal, task.canary_key, task.id) != task.canary:
        return None
    first_block = min((score.block for score in task.scores), default=0)
    verdicts = {
        score.validator: score.verdict
        for score in task.scores
        if score.block < task.revealed_block and score.sealed_block is not None and score.sealed_block <= first_block
    }
    return Canary(task.id, task.canary == "bad", verdicts)
