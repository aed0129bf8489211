"""An event loop on a thread of its own, so that blocking callers share one connection that stays alive between calls.

It is gone when it is closed, when the interpreter exits, and in a forked child: threads do not survive a fork. A child
must neither stop nor close what it inherited (the parent's selector and sockets are the same kernel objects), so
`alive` is False there and the owner makes a new one.
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
"""What a call may take over its own deadline before the loop itself counts as stuck."""
_STOP_TIMEOUT_S = 5.0
_inherited_loops: list[asyncio.AbstractEventLoop] = []
"""Loops of a parent process: kept from the garbage collector, which would close them."""


class LoopThread:
    """Runs coroutines for blocking callers of any thread.

    `cleanup` is awaited at the end, at the interpreter's exit too. It must not refer to this object, which would then
    never be collected.
    """

    def __init__(self, name: str, cleanup: Cleanup) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self._finalizer = weakref.finalize(self, _stop, self._loop, self._thread, self._pid, cleanup)

    @property
    def alive(self) -> bool:
        """Whether coroutines can be run: not after `close`, not in a forked child."""
        return os.getpid() == self._pid and self._finalizer.alive

    def run(self, work: Coroutine[Any, Any, T], deadline_s: float) -> T:
        """Block until `work` is done; it is cancelled when the caller is interrupted or the deadline is well past."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(deadline_s + GRACE_S)
        except concurrent.futures.TimeoutError as error:
            raise TimeoutError("the event loop is stuck") from error
        finally:
            future.cancel()

    def abandon(self) -> None:
        """Forget what was inherited from a parent process, without touching it."""
        self._finalizer.detach()
        _inherited_loops.append(self._loop)

    def close(self) -> None:
        """Clean up, cancel what runs, stop, and wait for the thread."""
        self._finalizer()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, pid: int, cleanup: Cleanup) -> None:
    if os.getpid() != pid:
        _inherited_loops.append(loop)
        return
    if thread is threading.current_thread():  # the garbage collector runs anywhere: waiting would be for ever
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
