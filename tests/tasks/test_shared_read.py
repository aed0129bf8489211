"""A shared read: made once for all who wait, no more often than it may be, its failures shared too."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from finest.tasks.shared_read import SharedRead


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_many_who_wait_share_one_read(pool: ThreadPoolExecutor) -> None:
    """A hundred callers at once cost one read; those who ask for a newer value than that get one more."""
    reads: list[float] = []

    async def ask() -> None:
        fresh = SharedRead(lambda: reads.append(time.monotonic()) or len(reads), pool, 0.2)
        assert await asyncio.gather(*(fresh.get(5.0) for _ in range(100))) == [1] * 100
        assert await asyncio.gather(*(fresh.get(0.0) for _ in range(100))) == [2] * 100
        assert await fresh.get(5.0) == 2

    asyncio.run(ask())
    assert reads[1] - reads[0] >= 0.1  # by the clock of a thread that may have begun late


def test_a_slow_read_is_made_rarely(pool: ThreadPoolExecutor) -> None:
    """A value is good for `rest` times as long as its reading took, and no longer."""
    reads: list[float] = []

    async def ask() -> None:
        fresh = SharedRead(
            lambda: time.sleep(0.1) or reads.append(time.monotonic()) or len(reads), pool, 0.01, pause_factor=5.0
        )
        while len(reads) < 2:
            assert await fresh.get(0.0) == len(reads)
            await asyncio.sleep(0.01)

    asyncio.run(ask())
    assert reads[1] - reads[0] >= 0.5


def test_a_failure_is_shared_and_passes(pool: ThreadPoolExecutor) -> None:
    """Those who waited are told; the value that was there stays; the next read may succeed."""
    answers = iter([1, None, 3])

    def read() -> int:
        value = next(answers)
        if value is None:
            raise OSError("away")
        return value

    async def ask() -> None:
        fresh = SharedRead(read, pool, 0.01)
        assert await fresh.get(0.0) == 1
        failed = await asyncio.gather(*(fresh.get(0.0) for _ in range(5)), return_exceptions=True)
        assert [str(one) for one in failed] == ["away"] * 5
        assert len(traceback.extract_tb(failed[0].__traceback__)) < 8
        assert fresh.last == 1
        assert await fresh.get(0.0) == 3

    asyncio.run(ask())


def test_who_gives_up_does_not_spoil_it_for_others(pool: ThreadPoolExecutor) -> None:
    """A caller that is cancelled in mid-read leaves nothing half done."""
    given_up = threading.Event()

    def slow() -> int:
        given_up.wait(60)
        return 7

    async def ask() -> None:
        fresh = SharedRead(slow, pool, 0.01)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(fresh.get(1.0), 0.05)
        given_up.set()
        assert await fresh.get(1.0) == 7

    asyncio.run(ask())
