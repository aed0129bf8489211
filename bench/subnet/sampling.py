"""The weight of an honest hotkey if more is committed than can be judged, by load and by the hotkey's size.

The draw has the product's own probabilities, and the weights are the product's own. A weight of 1 is what the hotkey
would have if everything were judged and it had been on the subnet for ever.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from bench.subnet.settings import DAY, LEASED_WARCS
from finest.validator.loop.sampling import share_of
from finest.validator.loop.weights import CLAIMED, PAY_DAYS, SETTLING_BLOCKS, Past, weights

LOADS = (1.0, 1.5, 4.0, 16.0)
DAYS, MONTHS = 30, 40
TOTAL, TOKENS = 0.89, 6_000_000.0
SIZES = {"one task a day": 1, "16 tasks a day": 16}
TASKS: Mapping[str, Mapping[int, int]] = {
    **{f"one task a day {number}": {LEASED_WARCS: 1} for number in range(144)},
    **{f"16 tasks a day {number}": {LEASED_WARCS: 16} for number in range(48)},
}
"""Tasks of a day by hotkey: 192 hotkeys, of which a quarter does most of the work."""


@dataclass(frozen=True, slots=True)
class Weight:
    """The mean weight of an honest hotkey in a month."""

    load: float
    size: str
    judged: float
    """Share of its tasks that is judged."""
    samples: float
    """Its tasks that are judged in a month."""
    mean: float
    spread: float
    """Standard deviation between months."""
    sampling_error: float
    """What the number of samples alone gives: sqrt((1 - p) / samples)."""


def weight_of(load: float, size: str, seed: int) -> Weight:
    """Return the weight of an honest hotkey per unit of work."""
    draw = random.Random(f"{seed} {load} {size}")
    tasks = SIZES[size]
    capacity = sum(number for sizes in TASKS.values() for number in sizes.values()) / load
    share = share_of(LEASED_WARCS, f"{size} 0", TASKS, capacity)
    found = [_mean_weight(_two_months(tasks, share, draw)) / (tasks * TOTAL * TOKENS) for _ in range(MONTHS)]
    samples = share * tasks * DAYS
    error = ((1 - share) / samples) ** 0.5
    figures = (share, samples, statistics.fmean(found), statistics.stdev(found), error)
    return Weight(load, size, *(round(one, 3) for one in figures))


def _mean_weight(pasts: list[Past]) -> float:
    """Return the mean weight over the second month."""
    blocks = range(DAYS * DAY, 2 * DAYS * DAY, PAY_DAYS * DAY)
    return statistics.fmean(weights(pasts, block + SETTLING_BLOCKS, {"h": 1}).get("h", 0.0) for block in blocks)


def _two_months(tasks: int, share: float, draw: random.Random) -> list[Past]:
    pasts = []
    for number in range(2 * DAYS * tasks):
        block = number * DAY // tasks + draw.randrange(DAY // tasks // 4)
        if draw.random() < share:
            past = Past("h", 1, block, block + 100, "pass", TOTAL, False, LEASED_WARCS, TOKENS, share)
        else:
            past = Past("h", 1, block, block + 100, CLAIMED, 0.0, False, LEASED_WARCS, 0.0, share)
        pasts.append(past)
    return pasts


def table(found: list[Weight]) -> str:
    """Return the figures as Markdown."""
    heads = ("load", "hotkey", "tasks judged", "in a month", "weight per work", "spread", "sampling error")
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    rows += [
        f"| {one.load:g} | {one.size} | {one.judged:.0%} | {one.samples:.0f} | {one.mean:.2f} | {one.spread:.2f} |"
        f" {one.sampling_error:.2f} |"
        for one in found
    ]
    return "\n".join(rows)
