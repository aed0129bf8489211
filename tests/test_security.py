"""SECURITY.md states the limits that hold."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "SECURITY.md").read_text("utf-8")
UNITS = {"": 1, "s": 1, "CPU s": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
LIMITS = re.findall(r"^\| [^|]+ \| ([\d,]+) ?([A-Za-z ]*) \| `([\w.]+)` \|$", PAGE, re.MULTILINE)


def constant(name: str) -> float:
    """A constant of a module, or the default of a class's field."""
    module, _, attribute = name.rpartition(".")
    try:
        return float(getattr(importlib.import_module(module), attribute))
    except ModuleNotFoundError:
        module, _, owner = module.rpartition(".")
        made = getattr(importlib.import_module(module), owner)()
        return float(getattr(made, attribute))


@pytest.mark.parametrize(("number", "unit", "name"), LIMITS, ids=[name for *_, name in LIMITS])
def test_a_limit_is_stated_as_it_is(number: str, unit: str, name: str) -> None:
    """Whoever changes a limit changes the page."""
    assert constant(name) == int(number.replace(",", "")) * UNITS[unit]


def test_every_row_was_read() -> None:
    """A row that is written in another way would be held against nothing."""
    section = PAGE.partition("## What is bounded")[2].partition("\n## ")[0]
    assert len(LIMITS) == sum(line.startswith("| ") for line in section.splitlines()) - 1
