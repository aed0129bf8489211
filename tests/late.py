"""What is slow to make, for test files that every worker reads and only one runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cached_property
from typing import Any


class Late:
    """An object that is made when something of it is first used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Any:
        return self._make()

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__") or attribute == "_mock_name":  # what pytest asks each object of a file for
            raise AttributeError(attribute)
        return getattr(self._made, attribute)


def late_module(name: str) -> Late:
    """A module that is imported when something of it is first used."""
    return Late(lambda: importlib.import_module(name))
