"""One test of one page: a named statistic beside its limit."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """A statistic of a page beside the limit that the recipe sets for it.

    `reason` is the name that the drop has if `failed`; `value` and `limit` are in the statistic's own unit
    (a ratio, a count, a probability). A stage yields its checks in the order in which they decide.
    """

    reason: str
    value: float
    limit: float
    failed: bool
