"""The bound on the CPU time of one page."""

from __future__ import annotations

import signal
import threading
import time

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


def test_other_threads_run_without_a_bound() -> None:
    """Signals reach the main thread only; elsewhere the function just runs."""
    results: list[str | None] = []
    thread = threading.Thread(target=lambda: results.append(bounded(str.upper, "text", 0.001)))
    thread.start()
    thread.join()
    assert results == ["TEXT"]
