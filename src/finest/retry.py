"""How everything here retries: exponential backoff with jitter, and the waits that the other side asks for.

    retry(call, Policy(first_s=0.5, cap_s=8, tries=5), on=(OSError,))     one call, made again while it fails

    backoff = Backoff(policy)                                             a loop of one's own
    while ...:
        wait_s = backoff.next_s(asked_s)        # None: the tries or the time are used up

One jitter rule holds everywhere: half of each wait is fixed and half is drawn ("equal jitter" of AWS's Exponential
Backoff And Jitter). So clients that failed together come back apart, and nobody comes back at once: Common Crawl, the
Hub and the chain's endpoints all limit rates. A wait that the other side asked for is kept, up to a cap, and a share
of the first wait is added to it.

Why this module exists beside `tenacity` (9.2) and `stamina` (26.1): both retry one call. Here the WARC stream counts
its failures anew after each byte of progress, a periodic chore after each good round, the publisher looks at the
repository before each further try, and the miner watches its lease while it waits. tenacity reads a wait that the other
side asked for only through a function that we would have to write (its cap included), and after an event has ended its
wait it makes one more try; stamina knows no event. What would be left to them is a loop of ten lines, for 15 us
(tenacity) or 30 us (stamina) on each call that succeeds; `retry` costs 0.7 us, and a database transaction that reads
takes 117.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """How long to wait after each failure in a row, and when to give up."""

    first_s: float
    """The longest wait after the first failure; each further one doubles it."""
    cap_s: float
    """No drawn wait is longer than this."""
    tries: int | None = None
    """Calls in all, the first one included; None means no limit."""
    budget_s: float = math.inf
    """Seconds from the first try on. A wait that would end later is not begun."""
    asked_cap_s: float = 900.0
    """A wait that the other side asked for is kept up to this."""

    def wait_s(self, failures: int, asked_s: float | None = None) -> float:
        """Seconds to wait after the n-th failure in a row, where the other side asked for `asked_s`."""
        share = random.uniform(0.5, 1.0)
        if asked_s is not None:
            return min(max(0.0, asked_s), self.asked_cap_s) + share * self.first_s
        return share * min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 32))


class Backoff:
    """Counts the failures in a row of one thing that is retried, and says how long to wait after each."""

    def __init__(self, policy: Policy, *, budget_s: float | None = None) -> None:
        """`budget_s` overrides the policy's, for a caller that has a deadline of its own."""
        self._policy = policy
        self._end_s = time.monotonic() + (policy.budget_s if budget_s is None else budget_s)
        self.failures = 0
        """In a row."""

    def next_s(self, asked_s: float | None = None) -> float | None:
        """Count a failure; give the seconds to wait before the next try, or None where there is to be none."""
        self.failures += 1
        if self._policy.tries is not None and self.failures >= self._policy.tries:
            return None
        wait_s = self._policy.wait_s(self.failures, asked_s)
        return None if time.monotonic() + wait_s >= self._end_s else wait_s

    def reset(self) -> None:
        """Begin with the first wait again, since something has succeeded."""
        self.failures = 0


@dataclass(frozen=True, slots=True)
class Again:
    """The verdict on an error that another try may mend; `asked_s` is how long the other side asked to wait."""

    asked_s: float | None = None


def retry(
    call: Callable[[], T],
    policy: Policy,
    *,
    on: tuple[type[Exception], ...],
    again: Callable[[Exception], Again | None] = lambda _: Again(),
    budget_s: float | None = None,
    on_wait: Callable[[Exception, float], None] = lambda _error, _wait_s: None,
    stop: threading.Event | None = None,
) -> T:
    """Return what `call` returns, calling again after an error of `on` for which `again` gives an Again.

    Raises the last error where `again` gives None, where the policy allows no further try, or where `stop` is set,
    which ends a wait at once. `on_wait` hears of each error and of the seconds until the next try.
    """
    backoff = Backoff(policy, budget_s=budget_s)
    while True:
        try:
            return call()
        except on as error:
            verdict = again(error)
            wait_s = None if verdict is None else backoff.next_s(verdict.asked_s)
            if wait_s is None:
                raise
            on_wait(error, wait_s)
            if pause(wait_s, stop):
                raise


def pause(seconds: float, stop: threading.Event | None = None) -> bool:
    """Wait so long, or until `stop` is set; True if it is set."""
    if stop is not None:
        return stop.wait(seconds)
    time.sleep(seconds)
    return False


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or as a date (RFC 9110, 10.2.3); None for nonsense."""
    if not header:
        return None
    from email.utils import parsedate_to_datetime  # costs as much as all the rest of this module

    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
