"""The contribution of one n-gram of a text to its score."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """An n-gram's contribution to a raw score, and where it first occurs in the text's UTF-8."""

    raw: int
    times: int
    """How often the n-gram occurs."""
    start: int
    end: int
