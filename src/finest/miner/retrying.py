"""Retry the miner's steps while their errors are transient; say why the miner waits, and how long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from finest.errors import FinestError
from finest.formatting import duration
from finest.miner.error_kinds import Kind, asked_s, kind_of, words_of
from finest.retry import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.miner.lease import Lease
    from finest.miner.status_file import StatusFile
    from finest.miner.stop import Stop

T = TypeVar("T")

BLOCK_TIME_S = 12.0
"""The main network's block time, used until a task server reports its own chain's."""
SAID_AGAIN_S = 300.0
"""Interval at which the same reason to wait is reported again."""
TRIES = 6
"""Retries after an error that may be transient: almost a minute of waiting in total."""
RETRY = Policy(first_s=1.0, cap_s=300.0, asked_cap_s=900.0)
"""Waits between retries. They reach at most five minutes, so an outage of hours costs the miner at most that much more,
and a server gets one request per five minutes. A wait that a server asks for is honoured up to a quarter of an hour,
since leases of others end at any time."""


class MinerBackoff:
    """Counts the failures of one step; decides which errors are retried, and how long to wait before each retry."""

    def __init__(self, block_time_s: float) -> None:
        self._block_time_s = block_time_s
        self.tries = 0

    def goes_on(self, kind: Kind) -> bool:
        """Return whether an error of this kind is worth another attempt."""
        return kind is Kind.PASSES or (kind is Kind.TRY_AGAIN and self.tries < TRIES)

    def next_s(self, error: Exception) -> float:
        """Count a failure and return the seconds to wait after this error."""
        self.tries += 1
        return RETRY.wait_s(self.tries, asked_s(error, self._block_time_s))


class Tries:
    """Calls the steps of a miner, and retries them if that may help."""

    def __init__(self, work: Path, stop: Stop, now: StatusFile, say: Callable[[str], None]) -> None:
        self.block_time_s = BLOCK_TIME_S
        self._work, self._stop, self._now, self._say = work, stop, now, say
        self._said = ("", 0.0)

    def idle(self, what: str, ask: Callable[[], T]) -> T | None:
        """Return the result of `ask`, called without a task in hand: Ctrl-C ends it at once. None if it is to stop.

        Raises errors that no wait resolves.
        """
        backoff = MinerBackoff(self.block_time_s)
        while not self._stop.asked.is_set():
            self._now.set(what)
            self._stop.idle = True
            try:
                return ask()
            except FinestError as error:
                if not backoff.goes_on(kind_of(error, self._work)):
                    raise
                wait_s, why = backoff.next_s(error), words_of(error, self._work)
            finally:
                self._stop.idle = False
            self._now.set(f"waiting to {what}: {why}", until=time.time() + wait_s)
            self._say_once(f"Waiting to {what}: {why}", wait_s)
            if self._stop.wait(wait_s):
                break
        return None

    def at_work(self, doing: str, task_id: str, lease: Lease, work: Callable[[], T]) -> T:
        """Return the result of `work` for a task in hand. Raises LeaseLost, and errors that no wait resolves."""
        backoff = MinerBackoff(self.block_time_s)
        while True:
            lease.check()
            self._now.set(f"{doing} task {task_id}", task=task_id)
            try:
                return work()
            except KeyboardInterrupt:
                if self._stop.leaves:
                    raise
                error: Exception = InterruptedError("a library took Ctrl-C for its own")
            except (FinestError, OSError) as failure:  # no other error is ever transient (error_kinds.py)
                if not backoff.goes_on(kind_of(failure, self._work)):
                    raise
                error = failure
            wait_s, why = backoff.next_s(error), words_of(error, self._work)
            self._say(f"Task {task_id}, {doing}: {why}; again in {duration(wait_s)}")
            self._now.set(f"{doing} task {task_id}: {why}", task=task_id, until=time.time() + wait_s)
            self._stop.pause(wait_s, lease)

    def _say_once(self, words: str, wait_s: float) -> None:
        before, at = self._said
        if words != before or time.monotonic() - at > SAID_AGAIN_S:
            self._said = (words, time.monotonic())
            self._say(f"{words}; asking again in {duration(wait_s)}")
