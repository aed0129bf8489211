"""What the tests of this folder need: packages of the extra `gpu`."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _packages() -> None:
    for name in ("torch", "safetensors"):
        pytest.importorskip(name)
