"""How often somebody may ask: by address before anything is looked at, by hotkey once the signature has been checked.

Counted in memory in windows of a minute, by each server process for itself: with N of them up to N times as much gets
through. A dictionary that begins anew each minute is all there is to it: the memory storage of the `limits` library
starts a thread every hundredth of a second to forget old keys, which took a tenth of the server's CPU.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from dataclasses import dataclass

from finest.tasks.problems import Problem

WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute. A miner needs about one; a company's miners, and the page's readers, share an address."""

    per_hotkey: int = 120
    per_address: int = 1200


class Throttle:
    """Counts requests; safe to use from any thread."""

    def __init__(self, rates: Rates) -> None:
        self._rates, self._turn = rates, threading.Lock()
        self._window, self._counts = 0, Counter[str]()

    def check_address(self, address: str) -> None:
        """Raises Problem(rate-limited) if the address has asked too often."""
        self._check(network(address), self._rates.per_address, "this address")

    def check_hotkey(self, hotkey: str) -> None:
        """Raises Problem(rate-limited) if the hotkey has asked too often."""
        self._check(hotkey, self._rates.per_hotkey, f"hotkey {hotkey}")

    def _check(self, key: str, limit: int, who: str) -> None:
        now_s = time.time()
        with self._turn:
            if self._window != now_s // WINDOW_S:
                self._window, self._counts = int(now_s // WINDOW_S), Counter()
            self._counts[key] += 1
            asked = self._counts[key]
        if asked > limit:
            left_s = WINDOW_S - now_s % WINDOW_S
            raise Problem("rate-limited", f"{who} may ask {limit} times a minute", retry_after_s=max(1.0, left_s))


def network(address: str) -> str:
    """What counts as one asker: an IPv4 address, or the /64 that a subscriber has of IPv6."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
