"""A subnet in numbers: miners commit tasks of known worth, one validator draws, judges and weighs with its own code."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from finest.validator.loop.queue import Queue
from finest.validator.loop.sampling import draw
from finest.validator.loop.weights import PAID_BLOCKS, Past, weights
from finest.validator.models import Assignment, Subject, Submission

from .lines import following, seen, settled, warc

DAY = PAID_BLOCKS
TEMPO = 1800
"""Blocks between two looks at the weights."""
TOKENS = 1_000_000
SCORE = 0.86


@dataclass(frozen=True, slots=True)
class Work:
    """A task as a miner committed it; an empty one names its WARCs and holds next to nothing."""

    block: int
    hotkey: str
    warcs: int
    honest: bool = True


def day_of(hotkey: str, day: int, *parts: tuple[int, int, bool]) -> list[Work]:
    """Tasks spread over a day: (number of tasks, WARCs of each, whether they are honest), the parts mixed."""
    tasks = sorted((place / number, warcs, honest) for number, warcs, honest in parts for place in range(number))
    step = (DAY - 1) / max(1, len(tasks))
    return [
        Work(day * DAY + 1 + int(number * step), hotkey, warcs, honest)
        for number, (_, warcs, honest) in enumerate(tasks)
    ]


def honest_warcs(work: Iterable[Work]) -> dict[str, int]:
    """The WARCs that each hotkey really refined."""
    found: dict[str, int] = defaultdict(int)
    for one in work:
        found[one.hotkey] += one.warcs * one.honest
    return found


def paid(work: Iterable[Work], since: int, until: int) -> dict[str, float]:
    """Each hotkey's mean share of the weights where everything is judged, by the weights alone."""
    pasts = [
        Past(
            one.hotkey, 1, one.block, one.block + 1, "pass" if one.honest else "fail", SCORE * one.honest, False,
            one.warcs, TOKENS * one.warcs * one.honest,
        )
        for one in sorted(work, key=lambda one: one.block)
    ]  # fmt: skip
    seats = {one.hotkey: 1 for one in work}
    blocks = range(since, until, TEMPO)
    return _mean([weights([past for past in pasts if past.block <= block], block, seats) for block in blocks])


def paid_by_sample(queue: Queue, work: Iterable[Work], capacity: float, since: int, until: int) -> dict[str, float]:
    """Each hotkey's mean share of the weights where the validator gives `capacity` verdicts a day."""
    found, at = [], since
    work = sorted(work, key=lambda one: one.block)
    seats = {one.hotkey: 1 for one in work}
    for number, one in enumerate(work):
        while at <= min(one.block, until - 1):
            found.append(weights(queue.past(0), at, seats))
            at += TEMPO
        _judge(queue, one, number, capacity)
    return _mean(found)


def _judge(queue: Queue, one: Work, number: int, capacity: float) -> None:
    queue.add([seen(one.hotkey, number, block=one.block)])
    entry = following(queue, now_s=1e12)
    named = tuple(warc(place) for place in range(one.warcs))
    seed = hashlib.sha256(entry.line.encode()).hexdigest()
    subject = Subject(submission=Submission(), task=Assignment(warcs=named, id=f"t{number}"), seed=seed)
    if draw(queue, entry, subject, one.block, capacity):
        verdict = "pass" if one.honest else "fail"
        total, tokens = SCORE * one.honest, float(TOKENS * one.warcs * one.honest)
        queue.record_verdict(
            entry, settled(verdict=verdict, total=total, tokens=tokens, warcs=named, block=one.block + 1, cpu_s=0.0)
        )


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    """Mean shares over the looks at which anybody had a weight."""
    total: dict[str, float] = defaultdict(float)
    counted = [one for one in found if one]
    for one in counted:
        whole = sum(one.values())
        for hotkey, weight in one.items():
            total[hotkey] += weight / whole / len(counted)
    return total


def per_work(shares: Mapping[str, float], work: Iterable[Work], operator: Iterable[str]) -> float:
    """The pay of an operator's hotkeys together for each WARC that they refined."""
    refined = honest_warcs(work)
    return sum(shares.get(hotkey, 0.0) for hotkey in operator) / max(1, sum(refined[hotkey] for hotkey in operator))
