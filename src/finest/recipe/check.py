"""A check: one statistic of a page, compared with a limit of the recipe."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """A statistic of a page and the limit that the recipe sets for it.

    `reason` is the name of the drop if the check `failed`; `value` and `limit` have the unit of the statistic (a ratio,
    a count, a probability). A stage yields its checks in the order in which they decide.
    """

    reason: str
    value: float
    limit: float
    failed: bool
    detail: str = ""
    """One line that says where the statistic was found, if the numbers do not; verdicts are published with it."""
