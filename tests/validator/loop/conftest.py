"""A validator's queue for tests: every test that asks for `queue` runs on both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from finest.validator.loop.queue import Queue
from tests.validator.update.conftest import source

__all__ = ["queue", "source"]


@pytest.fixture
def queue(database_url: str) -> Iterator[Queue]:
    """An empty queue."""
    queue = Queue.open(database_url)
    yield queue
    queue.close()
