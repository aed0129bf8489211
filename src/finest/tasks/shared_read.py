"""One slow read, shared by all who wait for it: the chain is asked, and the page made, once for a thousand requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """What `read` (blocking) returned last, made again in `pool` at most every `every_s`, and once for all who ask.

    A value is good for `rest` times as long as its reading took, whoever asks: however slow that becomes, no more than
    that share of the time goes into it. For one event loop.
    """

    def __init__(self, read: Callable[[], T], pool: Executor, every_s: float, *, rest: float = 0.0) -> None:
        self._read, self._pool, self._every_s, self._rest, self._took_s = read, pool, every_s, rest, 0.0
        self._began_s = float("-inf")
        self._error: Exception | None = None
        self._where: TracebackType | None = None
        self._turn = asyncio.Lock()
        self.last: T | None = None
        """The last that succeeded."""

    async def get(self, max_age_s: float) -> T:
        """A value that was read no earlier than `max_age_s` ago; raises what that read raised.

        Waits for the next read if need be. Callers that come while one is under way, and do not mind its age, share it.
        """
        not_before_s = time.monotonic() - max(max_age_s, self._rest * self._took_s)
        async with self._turn:
            if self._began_s < not_before_s:
                await asyncio.sleep(max(0.0, self._began_s + self._every_s - time.monotonic()))
                await self._again()
            if self._error is not None:
                raise self._error.with_traceback(self._where)  # which grows with every raise
            assert self.last is not None
            return self.last

    async def _again(self) -> None:
        began_s, error = time.monotonic(), None
        try:
            self.last = await asyncio.get_running_loop().run_in_executor(self._pool, self._read)
        except Exception as failure:  # noqa: BLE001 - kept, and raised for whoever asks
            error, self._where = failure, failure.__traceback__
        self._took_s = time.monotonic() - began_s
        self._began_s, self._error = began_s, error  # not if the caller was cancelled: then the next one reads
