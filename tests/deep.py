"""How deep the tests look: an everyday run takes a sample where `make test-nightly` takes all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

NIGHTLY = os.environ.get("NIGHTLY") == "1"
"""Whether tests marked `nightly` run, and property tests try their larger number of examples. The variable does not
begin with FINEST_, since the commands that tests start refuse settings that they do not know."""


_STEP = 1 if NIGHTLY else 17
CODES = [*range(1, 0x3100), *range(0x3100, 0xD800, _STEP), *range(0xE000, 0xF900, _STEP), *range(0xF900, 0x10000)]
CODES += range(0x10000, 0x110000, _STEP)
"""All of Unicode's characters. Every day all up to Kana and all compatibility forms, and each 17th of the others."""


def examples(everyday: int, nightly: int) -> int:
    """How many examples a property test tries."""
    return nightly if NIGHTLY else everyday


def sampled(values: Iterable[Any], everyday: int = 1) -> list[Any]:
    """Values for `parametrize`, a tuple for several names: the first every day, and the others in a nightly run."""
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*row, marks=[pytest.mark.nightly] * (at >= everyday)) for at, row in enumerate(rows)]


def parts(count: int) -> pytest.MarkDecorator:
    """Runs a test on part 0 of `count` every day and on the others in a nightly run.

    The test takes what belongs to its part with `things[part::count]`, so that the parts together are the whole.
    """
    others = (pytest.param(part, marks=pytest.mark.nightly) for part in range(1, count))
    return pytest.mark.parametrize("part", [0, *others])
