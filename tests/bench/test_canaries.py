"""Laziness costs: with the real epoch, committee and payments, at each share of canaries and of lazy stake."""

from __future__ import annotations

import pytest
from bench.subnet.canaries import LAZY, laziness

from tests.deep import sampled


@pytest.mark.parametrize("kind", LAZY)
@pytest.mark.parametrize(("canaries", "lazy"), sampled([(0.05, 0.4), (0.05, 0.05), (0.07, 0.2), (0.09, 0.4)]))
def test_passing_everything_unread_costs_five_percent(kind: str, canaries: float, lazy: float) -> None:
    """Of the income of an honest validator; consensus alone does not take it from one that adopts what others say."""
    found = laziness(kind, canaries, lazy, seed=1, epochs=4)
    assert found.with_payments >= 0.05
    assert kind == "unread" or found.consensus_alone < 0.01
