"""A task server for tests: every test that asks for `store` or `server` runs on both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from finest.tasks.models import Rules
from finest.tasks.store import Store
from tests.tasks.samples import CRAWL, paths

if TYPE_CHECKING:
    from tests.tasks.live_server import Server


@pytest.fixture
def rules() -> Rules:
    """The rules of a test's store; a test overrides them by `@pytest.mark.parametrize("rules", [...])`."""
    return Rules()


@pytest.fixture
def tables() -> str:
    """A task server's tables; a test of the migrations overrides it by `@pytest.mark.parametrize("tables", [""])`."""
    return "tasks"


@pytest.fixture
def store(database_url: str, rules: Rules) -> Iterator[Store]:
    """An empty store, on each kind of database."""
    store = Store.open(database_url, rules)
    yield store
    store.close()


@pytest.fixture
def quick_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain is asked again at once."""
    from finest.tasks import authority

    monkeypatch.setattr(authority, "UNREGISTERED_REFRESH_S", 0.1)
    monkeypatch.setattr(authority, "COMMITMENTS_EVERY_S", 0.2)
    monkeypatch.setattr(authority, "MIN_REFRESH_S", 0.1)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The subnet is looked at ten times a second."""
    from finest.tasks import authority

    monkeypatch.setattr(authority, "MAX_REFRESH_S", 0.1)
    monkeypatch.setattr(authority, "MIN_REFRESH_S", 0.1)


@pytest.fixture
def server(database_url: str, quick_reads: None) -> Iterator[Server]:
    """A server with two miners and two validators, one of them poor, on each kind of database."""
    from tests.tasks.api_calls import ALICE, BOB, POOR, RULES, VALIDATOR
    from tests.tasks.live_server import MadeSubnet, serving

    store = Store.open(database_url, RULES)
    store.add_warcs(CRAWL, paths(40))
    subnet = MadeSubnet()
    subnet.register(ALICE, BOB)
    subnet.register(VALIDATOR, permit=True, stake=100.0)
    subnet.register(POOR, permit=True, stake=99.0)
    with serving(store, RULES, subnet) as server:
        yield server
    store.close()
