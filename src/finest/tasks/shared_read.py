"""One slow read shared by all concurrent callers, so that a thousand requests cause one read of chain or database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedRead(Generic[T]):
    """The last result of `read` (blocking), which runs in `pool` at most every `every_s` and once for all callers.

    A value is reused for at least `pause_factor` times as long as its reading took, so a slow read cannot take up more
    than that share of the time. Use it from one event loop only.
    """

    def __init__(self, read: Callable[[], T], pool: Executor, every_s: float, *, pause_factor: float = 0.0) -> None:
        self._read, self._pool, self._every_s, self._pause_factor, self._took_s = read, pool, every_s, pause_factor, 0.0
        self._began_s = float("-inf")
        self._error: Exception | None = None
        self._traceback: TracebackType | None = None
        self._lock = asyncio.Lock()
        self.last: T | None = None
        """The result of the last successful read; None before it."""

    async def get(self, max_age_s: float) -> T:
        """A value that is at most `max_age_s` old; raises the exception of the read that produced it.

        Waits for the next read if the last value is too old. Callers share a read that is already running if it began
        late enough for them.
        """
        not_before_s = time.monotonic() - max(max_age_s, self._pause_factor * self._took_s)
        async with self._lock:
            if self._began_s < not_before_s:
                await asyncio.sleep(max(0.0, self._began_s + self._every_s - time.monotonic()))
                await self._read_again()
            if self._error is not None:
                raise self._error.with_traceback(
                    self._traceback
                )  # the stored traceback, because every raise extends it
            assert self.last is not None
            return self.last

    async def _read_again(self) -> None:
        began_s, error = time.monotonic(), None
        try:
            self.last = await asyncio.get_running_loop().run_in_executor(self._pool, self._read)
        except Exception as failure:  # noqa: BLE001 - kept, and raised for each caller
            error, self._traceback = failure, failure.__traceback__
        self._took_s = time.monotonic() - began_s
        self._began_s, self._error = (
            began_s,
            error,
        )  # not reached if the caller was cancelled: then the next caller reads
