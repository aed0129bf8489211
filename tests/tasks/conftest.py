"""A task server's database for tests: every test that asks for `database_url` or `store` runs on both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.tasks.models import Rules
from finest.tasks.store import Store
from tests.tasks.postgres import Cluster, binaries


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of our own; tests that need it are skipped where PostgreSQL is not installed."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path / 'tasks.db'}"


@pytest.fixture
def postgres_url(cluster: Cluster) -> str:
    """An empty PostgreSQL database."""
    return cluster.fresh()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, one of each kind."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def rules() -> Rules:
    """What the store of a test allows; a test overrides it by `@pytest.mark.parametrize("rules", [...])`."""
    return Rules()


@pytest.fixture
def store(database_url: str, rules: Rules) -> Iterator[Store]:
    """An empty store, on each kind of database."""
    store = Store.open(database_url, rules)
    yield store
    store.close()
