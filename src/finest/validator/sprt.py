"""Wald's sequential test: check one row after the other, and stop as soon as the answer is clear.

It decides between the share of bad rows that an honest miner may have and that of a worthless dataset (A. Wald,
Sequential Tests of Statistical Hypotheses, 1945). 100 clean rows accept; four bad rows in succession reject.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Literal

Decision = Literal["honest", "forged"]


@dataclass(frozen=True, slots=True)
class Sequential:
    """The test and its constants; docs/concepts/scoring.md has the measurements."""

    honest_share: float = 0.005
    forged_share: float = 0.05
    alpha: float = 1e-4
    """Chance of rejecting an honest miner."""
    beta: float = 1e-2
    """Chance of accepting rows of which the share `forged_share` is bad."""

    def decide(self, bad: int, checked: int) -> Decision | None:
        """Decide from the number of bad rows among those checked; None if more rows must be checked."""
        evidence = bad * log(self.forged_share / self.honest_share)
        evidence += (checked - bad) * log((1 - self.forged_share) / (1 - self.honest_share))
        if evidence >= log((1 - self.beta) / self.alpha):
            return "forged"
        return "honest" if evidence <= log(self.beta / (1 - self.alpha)) else None


SEQUENTIAL = Sequential()
