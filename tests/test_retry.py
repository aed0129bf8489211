"""Retries: how waits grow, who may ask for longer ones, what ends them."""

from __future__ import annotations

import math
import threading
import time
from email.utils import formatdate

import pytest

from finest import retry as module
from finest.retry import Again, Backoff, Policy, pause, retry, retry_after_s

POLICY = Policy(first_s=1.0, cap_s=8.0, asked_cap_s=60.0)
AT_ONCE = Policy(first_s=0.0, cap_s=0.0, tries=4)
LONG = Policy(first_s=1000.0, cap_s=1000.0)


class Failing:
    """Fails so many times, then gives its number of calls."""

    def __init__(self, times: int, error: Exception | None = None) -> None:
        self.calls, self._times, self._error = 0, times, error or ConnectionError("reset")

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        return self.calls


def test_waits_double_up_to_the_cap_with_half_of_them_drawn() -> None:
    """1, 2, 4, 8, 8 ... seconds, each less up to half of it; after thousands of failures too."""
    for failures, full_s in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (5000, 8.0)):
        waits = [POLICY.wait_s(failures) for _ in range(200)]
        assert all(full_s / 2 <= wait_s <= full_s for wait_s in waits)
        assert len(set(waits)) > 100


@pytest.mark.parametrize(
    ("asked_s", "kept_s"), [(0.0, 0.0), (5.0, 5.0), (1e9, 60.0), (math.inf, 60.0), (math.nan, 0.0), (-1.0, 0.0)]
)
def test_a_wait_that_is_asked_for_is_kept_up_to_its_cap(asked_s: float, kept_s: float) -> None:
    """A share of the first wait is added, after however many failures: those who were refused together come apart."""
    for failures in (1, 9):
        assert kept_s + 0.5 <= POLICY.wait_s(failures, asked_s) <= kept_s + 1.0


def test_the_tries_are_counted_with_the_first_one() -> None:
    """Four tries have three waits between them; success counts anew."""
    backoff = Backoff(Policy(first_s=1.0, cap_s=1.0, tries=4))
    assert [backoff.next_s() is None for _ in range(4)] == [False, False, False, True]
    backoff.reset()
    assert backoff.next_s() is not None
    assert backoff.failures == 1


def test_a_wait_that_would_outlast_the_budget_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a drawn one nor one that the other side asks for; a caller's deadline goes before the policy's."""
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)
    policy = Policy(first_s=2.0, cap_s=2.0, budget_s=10.0)
    assert Backoff(policy).next_s() is not None
    assert Backoff(policy).next_s(asked_s=10.0) is None
    assert Backoff(policy, budget_s=1.0).next_s() is None
    assert Backoff(policy, budget_s=math.inf).next_s(asked_s=10.0) is not None


def test_a_call_is_made_again_until_it_succeeds() -> None:
    """Whoever waits hears of each error, and of how long the wait is."""
    heard: list[tuple[str, float]] = []
    call = Failing(3)
    result = retry(call, AT_ONCE, on=(OSError,), on_wait=lambda error, wait_s: heard.append((str(error), wait_s)))
    assert result == 4
    assert heard == [("reset", 0.0)] * 3


def test_the_last_error_is_raised_as_it_is() -> None:
    """After the last try, for an error that no try mends, and for one that nobody named."""
    for call, calls in ((Failing(9), 4), (Failing(9, PermissionError("no")), 1), (Failing(9, ValueError("bad")), 1)):
        with pytest.raises((OSError, ValueError)) as caught:
            retry(
                call, AT_ONCE, on=(OSError,),
                again=lambda error: None if isinstance(error, PermissionError) else Again(),
            )  # fmt: skip
        assert caught.value is call._error
        assert call.calls == calls


def test_what_the_other_side_asks_for_is_waited() -> None:
    """The verdict on an error carries it."""
    waits: list[float] = []
    assert retry(Failing(1), AT_ONCE, on=(OSError,), again=lambda _: Again(0.01), on_wait=lambda _, s: waits.append(s))
    assert waits == [0.01]


def test_a_stop_ends_a_wait_at_once() -> None:
    """The error that was waited for is raised, and no further try is made."""
    stop, call = threading.Event(), Failing(9)
    began_s = time.monotonic()
    with pytest.raises(ConnectionError):
        retry(call, LONG, on=(OSError,), stop=stop, on_wait=lambda *_: threading.Timer(0.05, stop.set).start())
    assert call.calls == 1
    assert time.monotonic() - began_s < LONG.first_s / 10


def test_a_pause_says_whether_it_is_to_stop() -> None:
    """It lasts as long as it is told to, unless the event is set."""
    stop = threading.Event()
    assert not pause(0.0)
    assert not pause(0.001, stop)
    stop.set()
    assert pause(1000.0, stop)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 30 ", 30.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
        ("\u00b2", None),
    ],
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    """A whole number; what is neither that nor a date asks for nothing."""
    assert retry_after_s(header) == seconds


def test_retry_after_as_a_date() -> None:
    """As long as it is until then, and no time at all for a date that has passed."""
    now = time.time()
    assert retry_after_s(formatdate(now + 100, usegmt=True)) == pytest.approx(100, abs=30)
    assert retry_after_s(formatdate(now - 100, usegmt=True)) == 0.0
