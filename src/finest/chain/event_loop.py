"""An event loop in its own thread, so that blocking callers share one connection that stays open between calls.

The loop ends when it is closed and when the interpreter exits. Its thread does not survive a fork, and a child must
neither stop nor close the inherited loop, because the parent's selector and sockets are the same kernel objects. So
`alive` is False in a child, and the owner makes a new loop there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
Cleanup = Callable[[], Coroutine[Any, Any, None]]

GRACE_S = 5.0
"""Time that a call may exceed its own deadline before the loop itself counts as stuck."""
_STOP_TIMEOUT_S = 5.0
_inherited_loops: list[asyncio.AbstractEventLoop] = []
"""Loops of a parent process, referenced here so that the garbage collector does not close them."""


class LoopThread:
    """Runs coroutines for blocking callers in any thread.

    The loop awaits `cleanup` when it ends, also at the interpreter's exit. `cleanup` must not refer to this object,
    which would then never be collected.
    """

    def __init__(self, name: str, cleanup: Cleanup) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self._finalizer = weakref.finalize(self, _stop, self._loop, self._thread, self._pid, cleanup)

    @property
    def alive(self) -> bool:
        """Whether the loop can run coroutines; False after `close` and in a forked child."""
        return os.getpid() == self._pid and self._finalizer.alive

    def run(self, work: Coroutine[Any, Any, T], deadline_s: float) -> T:
        """Block until `work` is done. Cancels it if the caller is interrupted or the deadline is well past."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(deadline_s + GRACE_S)
        except concurrent.futures.TimeoutError as error:
            raise TimeoutError("the event loop is stuck") from error
        finally:
            future.cancel()

    def abandon(self) -> None:
        """Drop a loop that was inherited from a parent process, without touching it."""
        self._finalizer.detach()
        _inherited_loops.append(self._loop)

    def close(self) -> None:
        """Run `cleanup`, cancel all tasks, stop the loop and wait for its thread."""
        self._finalizer()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, pid: int, cleanup: Cleanup) -> None:
    if os.getpid() != pid:
        _inherited_loops.append(loop)
        return
    if (
        thread is threading.current_thread()
    ):  # the garbage collector may run in this thread, which cannot wait for itself
        loop.stop()
        return
    future = asyncio.run_coroutine_threadsafe(_finish(cleanup), loop)
    concurrent.futures.wait([future], _STOP_TIMEOUT_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_STOP_TIMEOUT_S)
    if not thread.is_alive():
        loop.close()


async def _finish(cleanup: Cleanup) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(cleanup(), _STOP_TIMEOUT_S / 3)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_STOP_TIMEOUT_S / 3)
