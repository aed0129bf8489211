"""The bound on the CPU time of one page."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from finest.recipe.extract import ExtractionLimit, bounded


def burn(html: str) -> str | None:
    while True:
        sum(range(1000))


def stubborn(html: str) -> str | None:
    """As libraries do: takes every Exception for its own."""
    while True:
        try:
            burn(html)
        except Exception:
            return "swallowed"


@pytest.mark.parametrize("function", [burn, stubborn])
def test_endless_extraction_is_stopped(function: object) -> None:
    """A function that never ends, even one that swallows exceptions, ends with ExtractionLimit."""
    with pytest.raises(ExtractionLimit, match=r"0\.05 CPU seconds"):
        bounded(function, "", 0.05)  # type: ignore[arg-type]


def test_result_and_errors_pass() -> None:
    """Within the bound, result and exceptions are the function's own."""
    assert bounded(str.upper, "text", 5) == "TEXT"
    with pytest.raises(KeyError):
        bounded({}.__getitem__, "key", 5)


def test_sleep_is_free() -> None:
    """The bound is on CPU time: waiting does not count."""

    def sleep(html: str) -> str:
        time.sleep(0.2)
        return html

    assert bounded(sleep, "text", 0.1) == "text"


def test_handler_and_timer_are_set_again() -> None:
    """A handler and a timer that somebody else has set are there again afterwards."""
    handler = signal.signal(signal.SIGPROF, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_PROF, 100, 7)
        mine = signal.getsignal(signal.SIGPROF)
        bounded(str.upper, "text", 5)
        with pytest.raises(ExtractionLimit):
            bounded(burn, "", 0.05)
        assert signal.getsignal(signal.SIGPROF) is mine
        left_s, interval_s = signal.getitimer(signal.ITIMER_PROF)
        assert 90 < left_s < 100
        assert interval_s == pytest.approx(7)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)


def test_no_alarm_is_left() -> None:
    """Without a timer before, there is none afterwards."""
    bounded(str.upper, "text", 5)
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_other_threads_run_to_their_end_within_the_bound() -> None:
    """Off the main thread, where no signal arrives, a function within its bound just runs."""
    results: list[str | None] = []
    thread = threading.Thread(target=lambda: results.append(bounded(str.upper, "text", 0.001)))
    thread.start()
    thread.join()
    assert results == ["TEXT"]


def in_a_thread(call: Callable[[], object]) -> object:
    """The result of `call` in a thread of its own; its exception is raised here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def slow_in_c(html: str) -> str | None:
    """One call into C that nothing can interrupt, then a result."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 300_000)
    return html


@pytest.mark.parametrize("function", [burn, stubborn, slow_in_c])
@pytest.mark.parametrize("run", [lambda call: call(), in_a_thread], ids=["main thread", "another thread"])
def test_the_bound_is_the_same_on_every_thread(
    function: Callable[[str], str | None], run: Callable[[Callable[[], object]], object]
) -> None:
    """Endless code is stopped, and code that came to its end too late is refused, whichever thread ran it."""
    with pytest.raises(ExtractionLimit, match=r"0\.03 CPU seconds"):
        run(lambda: bounded(function, "", 0.03))


def test_the_work_of_other_threads_does_not_count() -> None:
    """A call is charged for its own thread's CPU time, on the main thread too, however busy other threads are."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            sum(range(1000))

    def wait(html: str) -> str:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            time.sleep(0.01)
        return html

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert bounded(wait, "text", 0.1) == "text"
        assert in_a_thread(lambda: bounded(wait, "text", 0.1)) == "text"
    finally:
        ended.set()
        worker.join()


def test_a_stopped_thread_works_on() -> None:
    """After an extraction was stopped, its thread judges the next page: no late exception strikes it."""

    def twice() -> str | None:
        for _ in range(5):
            with pytest.raises(ExtractionLimit):
                bounded(burn, "", 0.002)
        return bounded(str.upper, "text" * 1000, 5)

    assert in_a_thread(twice) == "TEXT" * 1000
    assert all(thread.name != "finest-cpu-limit" for thread in threading.enumerate())


_TRACED = """
import sys, threading, time
from finest.recipe.extract import ExtractionLimit, bounded

def page(html):
    end = time.thread_time() + float(html)
    while time.thread_time() < end:
        pass

def extract(seconds):
    try:
        bounded(page, seconds, 0.05)
    except ExtractionLimit:
        print("limit")

for seconds in ("0", "0.3"):
    thread = threading.Thread(target=extract, args=(seconds,))
    thread.start()
    thread.join()

def traced():
    return [one for one in range(10)]

sys.settrace(lambda *_: None)
traced()
print("traced")
"""


def test_no_exception_stays_pending_after_a_limit_on_a_thread() -> None:
    """CPython 3.11 runs a traced function for ever while it looks for one; debuggers and tests trace."""
    done = subprocess.run([sys.executable, "-c", _TRACED], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["limit", "traced"]
