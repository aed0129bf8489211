"""A validator's queue for tests: every test that asks for `queue` runs on both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.validator.loop.queue import Queue
from tests.validator.update.conftest import source

from .world import World

__all__ = ["queue", "source"]


@pytest.fixture
def tables() -> str:
    """A validator's tables."""
    return "queue"


@pytest.fixture
def queue(database_url: str) -> Iterator[Queue]:
    """An empty queue."""
    queue = Queue.open(database_url)
    yield queue
    queue.close()


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A validator with an empty queue."""
    queue = Queue.open(sqlite_url)
    yield World(queue, tmp_path, monkeypatch)
    queue.close()
