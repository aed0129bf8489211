from __future__ import annotations

from typing import Any

import pytest

from finest.recipe import native
from finest.recipe.extract import core_tables


@pytest.fixture
def core() -> Any:
    """The compiled core; without a C compiler there is none, and nothing to compare."""
    if native.core() is None:
        pytest.skip(f"no compiled core: {native.missing()}")
    assert core_tables.why_unfilled(native.core()) == ""
    return native.core()


@pytest.fixture
def without_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the Python path alone."""
    monkeypatch.setattr(native, "core", lambda: None)
