"""The weight of an honest hotkey if more is committed than a validator can judge, by load and by the hotkey's size.

One validator draws with the product's own probabilities and weighs with the product's own weights. A weight of 1 is
what the hotkey would have if everything were judged at once and it had been on the subnet for ever.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass

from bench.subnet.settings import DAY, LEASED_WARCS
from finest.validator.loop.sampling import share_of
from finest.validator.loop.weights import CLAIMED, Past, weights

LOADS = (1.0, 1.5, 4.0, 16.0)
DAYS, FIRST_DAY, LOOK_BLOCKS, MONTHS = 30, 8, 1800, 15
TOTAL, TOKENS = 0.89, 6_000_000.0
OTHERS = [LEASED_WARCS] * 86 + [16] * 22 + [1] * 4
"""WARCs of the tasks that 86 hotkeys commit in a day."""
HOTKEYS = 86
SIZES = {"one task a day": 1, "four tasks a day": 4}


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight of an honest hotkey over a month."""

    load: float
    size: str
    judged: float
    """Share of its tasks that is judged."""
    mean: float
    median: float
    """The median over the validators' draws, which the chain's consensus is near to."""


def weight_of(load: float, size: str, seed: int) -> Weight:
    """Return the weight of an honest hotkey per unit of work."""
    draw = random.Random(f"{seed} {load} {size}")
    share = share_of(LEASED_WARCS, [LEASED_WARCS] * SIZES[size], OTHERS, HOTKEYS, len(OTHERS) / load)
    found: list[float] = []
    for _ in range(MONTHS):
        pasts = _month(SIZES[size], share, draw)
        for block in range(FIRST_DAY * DAY, DAYS * DAY, LOOK_BLOCKS):
            seen = [past for past in pasts if past.block <= block]
            found.append(weights(seen, block, {"h": 1}).get("h", 0.0) / (SIZES[size] * TOTAL * TOKENS))
    return Weight(load, size, round(share, 3), round(statistics.fmean(found), 3), round(statistics.median(found), 3))


def _month(tasks: int, share: float, draw: random.Random) -> list[Past]:
    pasts = []
    for number in range(DAYS * tasks):
        block = number * DAY // tasks + draw.randrange(500)
        if draw.random() < share:
            past = Past("h", 1, block, block + 100, "pass", TOTAL, False, LEASED_WARCS, TOKENS, share)
        else:
            past = Past("h", 1, block, block + 100, CLAIMED, 0.0, False, LEASED_WARCS, 0.0, share)
        pasts.append(past)
    return pasts


def table(found: list[Weight]) -> str:
    """Return the figures as Markdown."""
    rows = ["| load | hotkey | tasks judged | weight per work, mean | median |", "|---|---|---|---|---|"]
    rows += [f"| {one.load:g} | {one.size} | {one.judged:.0%} | {one.mean:.2f} | {one.median:.2f} |" for one in found]
    return "\n".join(rows)
