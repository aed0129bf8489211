"""A bound on the CPU time of one page's extraction."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_AGAIN_S = 0.5
"""CPU seconds after which the alarm rings again: an exception raised inside a destructor is lost by Python."""


class ExtractionLimit(Exception):
    """The extraction of one page used more CPU time than it was given."""


class _CpuSpent(BaseException):
    """Raised by the alarm; no `except Exception` of a library can take it for an error of its own."""


def bounded(function: Callable[[str], str | None], html: str, limit_s: float) -> str | None:
    """`function(html)`, or ExtractionLimit once this process has spent `limit_s` CPU seconds (user and system) on it.

    The alarm (ITIMER_PROF, SIGPROF) is delivered between two Python instructions, so one long call into a C library
    runs to its end first. The handler and the timer that were set before are set again afterwards, the timer less the
    time spent here. Signals reach the main thread only: in any other thread the function runs without a bound.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(html)
    handler_before = signal.signal(signal.SIGPROF, _ring)
    timer_before = signal.setitimer(signal.ITIMER_PROF, limit_s, _AGAIN_S)
    started_s = time.process_time()
    try:
        try:
            return function(html)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except _CpuSpent:
        raise ExtractionLimit(f"extraction used more than {limit_s:g} CPU seconds") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler_before)
        _set_again(timer_before, spent_s=time.process_time() - started_s)


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise _CpuSpent


def _set_again(timer: tuple[float, float], *, spent_s: float) -> None:
    delay_s, interval_s = timer
    if delay_s > 0:
        signal.setitimer(signal.ITIMER_PROF, max(delay_s - spent_s, 1e-3), interval_s)
