"""Periodic chores of one process, each in its own thread. A failed chore is retried without affecting the others."""

from __future__ import annotations

import threading
import time
import traceback
from typing import TYPE_CHECKING

from finest.errors import FinestError
from finest.retry import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    Round = Callable[[], float]
    """One round of a chore; returns the seconds until the next round."""

RETRY = Policy(first_s=5.0, cap_s=300.0)


class Chore(threading.Thread):
    """Runs rounds of one kind until `stop` is set. A failed round is logged and retried after a growing wait."""

    def __init__(self, name: str, round_: Round, stop: threading.Event, say: Callable[[str], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._round, self._stop_asked, self._say = round_, stop, say
        self.failures = 0
        """Number of consecutive failures."""
        self.rounds = 0

    def run(self) -> None:
        while not self._stop_asked.is_set():
            self._stop_asked.wait(self._once())

    def _once(self) -> float:
        try:
            wait_s = self._round()
        except Exception as error:  # noqa: BLE001 - a chore's border; said with its traceback
            self.failures += 1
            if self._stop_asked.is_set():
                return 0.0
            wait_s = RETRY.wait_s(self.failures)
            told = str(error) if isinstance(error, FinestError) else traceback.format_exc()
            self._say(f"{self.name}: {told}; again in {wait_s:.0f} s")
        else:
            self.failures, self.rounds = 0, self.rounds + 1
        return wait_s


def run(chores: list[Chore], stop: threading.Event, within_s: float) -> None:
    """Start the chores, wait until `stop` is set, and then up to `within_s` seconds for them to end."""
    for chore in chores:
        chore.start()
    stop.wait()
    deadline = time.monotonic() + within_s
    for chore in chores:
        chore.join(max(0.0, deadline - time.monotonic()))
