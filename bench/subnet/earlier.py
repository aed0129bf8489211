"""The rules of payment before verified work was paid: an average of scores times the WARCs of all passed tasks.

Kept to compare with. An empty task passed with score 0, and its WARCs counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.subnet.outcomes import Found
from bench.subnet.settings import DAY
from finest.validator.score import score

DECAY = 0.8


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict by the earlier rules."""

    hotkey: str
    block: int
    judged_block: int
    passed: bool
    total: float
    forged: bool
    warcs: int


def verdict(hotkey: str, block: int, judged_block: int, found: Found, warcs: int) -> Verdict:
    """Judge by the earlier rules: missing pages lowered the score under an unknown recipe, but never failed."""
    passed = not found.forged
    total = score(found.measured).total if passed else 0.0
    return Verdict(hotkey, block, judged_block, passed, total, found.forged, warcs)


def weights(verdicts: Iterable[Verdict], block: int) -> dict[str, float]:
    """Compute the weights at a block by the earlier rules; `verdicts` in the order of the commitments."""
    average: dict[str, float] = {}
    warcs: dict[str, int] = {}
    until: dict[str, int] = {}
    for one in verdicts:
        if one.forged:
            average[one.hotkey], warcs[one.hotkey] = 0.0, 0
            until[one.hotkey] = max(until.get(one.hotkey, 0), one.judged_block + DAY)
        elif one.block >= until.get(one.hotkey, 0):
            average[one.hotkey] = DECAY * average.get(one.hotkey, 0.0) + (1 - DECAY) * one.total
            paid = one.warcs if one.passed and one.block > block - DAY else 0
            warcs[one.hotkey] = warcs.get(one.hotkey, 0) + paid
    found = {hotkey: average[hotkey] * warcs.get(hotkey, 0) for hotkey in average}
    return {hotkey: weight for hotkey, weight in found.items() if weight > 0}
