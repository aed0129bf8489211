"""Limit the CPU time of one page's extraction, by the same rule on every thread."""

from __future__ import annotations

import ctypes
import math
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_AGAIN_S = 0.5
"""Seconds after which the alarm fires again, because Python drops an exception that is raised inside a destructor."""
_TICK_S = 1e-3
"""Shortest delay of a timer, in seconds; 0 would switch it off."""


class ExtractionLimit(Exception):
    """Raised if the extraction of one page exceeds its CPU time limit."""


class _CpuSpent(BaseException):
    """Raised by the alarm; a BaseException, so that no `except Exception` of a library catches it."""


def bounded(function: Callable[[str], str | None], html: str, limit_s: float) -> str | None:
    """Return `function(html)`; raise ExtractionLimit if the calling thread spends over `limit_s` CPU seconds on it.

    The rule is the same on all threads: only the calling thread's own CPU time counts, user and system, and a call that
    exceeds the limit raises even if it returned a result.

    An alarm stops a call that is over the limit between two Python instructions, so a long call into a C library
    finishes first. On the main thread the alarm is a signal (ITIMER_PROF, SIGPROF); the previous handler and timer are
    restored afterwards, the timer less the time spent here. On other threads, a watcher thread reads the caller's CPU
    clock and raises an exception in the caller. On systems that cannot read another thread's clock (macOS), a call on
    such a thread raises only when it returns.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    alarm = _with_signal if on_main_thread else _with_watcher
    try:
        return alarm(lambda: _timed(function, html, limit_s), limit_s)
    except _CpuSpent:
        raise ExtractionLimit(f"extraction used more than {limit_s:g} CPU seconds") from None


def _timed(function: Callable[[str], str | None], html: str, limit_s: float) -> str | None:
    """Return `function(html)`; raise _CpuSpent if it returned or raised after the limit."""
    started_s = time.thread_time()
    try:
        return function(html)
    finally:
        if time.thread_time() - started_s > limit_s:
            raise _CpuSpent


def _with_signal(call: Callable[[], str | None], limit_s: float) -> str | None:
    thread_started_s, process_started_s = time.thread_time(), time.process_time()

    def ring(_number: int, _frame: FrameType | None) -> None:
        left_s = limit_s - (time.thread_time() - thread_started_s)
        if left_s <= 0:
            raise _CpuSpent
        signal.setitimer(signal.ITIMER_PROF, max(left_s, _TICK_S), _AGAIN_S)  # other threads used the CPU time

    handler_before = signal.signal(signal.SIGPROF, ring)
    timer_before = signal.setitimer(signal.ITIMER_PROF, limit_s, _AGAIN_S)
    try:
        try:
            return call()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler_before)
        _set_again(timer_before, spent_s=time.process_time() - process_started_s)


def _set_again(timer: tuple[float, float], *, spent_s: float) -> None:
    delay_s, interval_s = timer
    if delay_s > 0:
        signal.setitimer(signal.ITIMER_PROF, max(delay_s - spent_s, _TICK_S), interval_s)


def _with_watcher(call: Callable[[], str | None], limit_s: float) -> str | None:
    if not hasattr(time, "pthread_getcpuclockid"):
        return call()
    watcher = _Watcher(limit_s)
    try:
        watcher.start()
        return call()
    finally:
        _stop(watcher)


def _stop(watcher: _Watcher) -> None:
    """Stop the watcher, even if its exception arrives meanwhile; afterwards none can arrive."""
    while True:
        try:
            return watcher.stop()
        except _CpuSpent:
            continue


class _Watcher:
    """A thread that raises _CpuSpent in the thread that created it, once the latter has used up its CPU time."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._watched = threading.get_ident()
        self._clock = time.pthread_getcpuclockid(self._watched)
        self._until_s = math.inf
        self._has_raised = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="finest-cpu-limit", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._until_s = time.thread_time() + self._limit_s

    def stop(self) -> None:
        """End the watcher and take an exception that is still pending; only the watched thread may call this.

        An exception that is cancelled instead leaves CPython looking for one at every step, which slows all threads
        down, and on Python 3.11 a traced function then never ends.
        """
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._has_raised:
            with suppress(_CpuSpent):
                _raise_in(self._watched, _CpuSpent)  # in place of one that may be pending
                while True:
                    time.sleep(0)

    def _watch(self) -> None:
        """Check the CPU clock repeatedly, sleeping for the remaining CPU time, which cannot be used up sooner."""
        wait_s = self._limit_s
        while not self._ended.wait(wait_s):
            left_s = self._until_s - time.clock_gettime(self._clock)
            if left_s <= 0:
                self._has_raised = True
                _raise_in(self._watched, _CpuSpent)
            wait_s = max(left_s, _TICK_S) if 0 < left_s < math.inf else _AGAIN_S


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an exception in a thread by CPython's C API, in place of one that is still pending there."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
