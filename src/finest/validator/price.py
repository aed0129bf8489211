"""The price of a task's verified tokens: how its pay follows from the price of the work that it was leased from."""

from __future__ import annotations

from finest.tasks.models import MAX_PRICE


def capped(price: float) -> float:
    """Return the price that a validator pays for a task with this price: no more than MAX_PRICE, and not below 0."""
    return min(max(price, 0.0), MAX_PRICE)


def priced(tokens: float, price: float) -> float:
    """Return the verified tokens of the usual price that are paid like `tokens` verified tokens of this price."""
    return tokens * capped(price)
