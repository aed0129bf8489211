"""What all tests of the chain's client use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.chain.on_devnet import MakeKey

if TYPE_CHECKING:
    from finest.chain.subnet import Chain


@pytest.fixture(autouse=True)
def _own_sdk_caches(own_sdk_caches: None) -> None:
    """Also for tests that call the SDK themselves."""


@pytest.fixture
def miner(make_key: MakeKey, open_chain: Callable[..., Chain]) -> Chain:
    """A registered hotkey's chain."""
    return open_chain(make_key())
