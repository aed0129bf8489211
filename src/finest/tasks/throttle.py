"""How often somebody may ask: by address before anything is looked at, by hotkey once the signature has been checked.

Counted in memory, by each server process for itself: with N of them up to N times as much gets through.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from finest.tasks.problems import Problem


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute. A miner needs about one; a company's miners, and the page's readers, share an address."""

    per_hotkey: int = 120
    per_address: int = 1200


class Throttle:
    """Counts requests in windows of a minute; safe to use from any thread."""

    def __init__(self, rates: Rates) -> None:
        self._windows = FixedWindowRateLimiter(MemoryStorage())
        self._per_hotkey = RateLimitItemPerMinute(rates.per_hotkey)
        self._per_address = RateLimitItemPerMinute(rates.per_address)

    def check_address(self, address: str) -> None:
        """Raises Problem(rate-limited) if the address has asked too often."""
        self._check(self._per_address, network(address), "this address")

    def check_hotkey(self, hotkey: str) -> None:
        """Raises Problem(rate-limited) if the hotkey has asked too often."""
        self._check(self._per_hotkey, hotkey, f"hotkey {hotkey}")

    def _check(self, limit: RateLimitItem, key: str, who: str) -> None:
        if not self._windows.hit(limit, key):
            reset_s = self._windows.get_window_stats(limit, key).reset_time - time.time()
            raise Problem(
                "rate-limited", f"{who} may ask {limit.amount} times a minute", retry_after_s=max(1.0, reset_s)
            )


def network(address: str) -> str:
    """What counts as one asker: an IPv4 address, or the /64 that a subscriber has of IPv6."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
