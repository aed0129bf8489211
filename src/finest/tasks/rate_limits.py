"""Rate limits: requests per address, requests per hotkey once its signature is verified, and bytes read per address.

Each server process counts in its own memory, so N processes let up to N times as much through. The counts live in a
dictionary that is replaced each minute. The memory storage of the `limits` library is not used: it starts a thread
every hundredth of a second to drop old keys, which took a tenth of the server's CPU.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from finest.tasks.problems import Problem

WINDOW_S = 60
READ_BURST_S = 32
"""Burst of an address, in seconds of its read rate: after so long a pause it may read 8 MiB (some 10,000 tasks) at
once."""
MAX_CONCURRENT_READS = 32
"""The most answers to GET that an address may receive at the same time; a browser opens six connections."""
MAX_REMEMBERED_READERS = 10_000
"""The most addresses whose reads are remembered; the ones that have read least recently are dropped first."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits in requests a minute. A miner needs about one; the miners of one company may share an address."""

    per_hotkey: int = 120
    per_address: int = 1200
    read_bytes_s: int = 256 * 1024
    """Bytes of answers to GET that an address may read in a second, once its burst is used up."""


class RateLimiter:
    """Counts requests and bytes; safe to use from any thread."""

    def __init__(self, rates: RateLimits) -> None:
        self._rates, self._lock = rates, threading.Lock()
        self._window, self._counts = 0, Counter[str]()
        self._answering = Counter[str]()
        self._owed: dict[str, tuple[float, float]] = {}
        """For each address, the bytes read beyond its rate, and the time of that value."""

    def check_address(self, address: str) -> None:
        """Count a request of this address; raises Problem(rate-limited) if it has made too many."""
        self._check(network(address), self._rates.per_address, "this address")

    def check_hotkey(self, hotkey: str) -> None:
        """Count a request of this hotkey; raises Problem(rate-limited) if it has made too many."""
        self._check(hotkey, self._rates.per_hotkey, f"hotkey {hotkey}")

    @contextmanager
    def reading(self, address: str) -> Iterator[None]:
        """Context in which the server answers a GET request of this address.

        Raises Problem(rate-limited) if the address has used up its read rate or leaves too many answers unread.
        """
        key = network(address)
        with self._lock:
            self._check_read(key)
            if self._answering[key] >= MAX_CONCURRENT_READS:
                raise Problem(
                    "rate-limited", f"{MAX_CONCURRENT_READS} answers to this address are unread; read them first",
                    retry_after_s=1.0,
                )  # fmt: skip
            self._answering[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._answering[key] -= 1
                if not self._answering[key]:
                    del self._answering[key]

    def _check_read(self, key: str) -> None:
        over = self._owes(key, time.monotonic()) - READ_BURST_S * self._rates.read_bytes_s
        if over > 0:
            wait_s = max(1.0, over / self._rates.read_bytes_s)
            kib = self._rates.read_bytes_s / 1024
            raise Problem("rate-limited", f"this address may read {kib:g} KiB a second", retry_after_s=wait_s)

    def has_read(self, address: str, size_bytes: int) -> None:
        """Charge the bytes of an answer to the address; beyond its budget the next request must wait."""
        key, now_s = network(address), time.monotonic()
        with self._lock:
            self._owed[key] = (self._owes(key, now_s) + size_bytes, now_s)
            if len(self._owed) > MAX_REMEMBERED_READERS:
                self._forget(now_s)

    def _owes(self, key: str, now_s: float) -> float:
        owed, then_s = self._owed.get(key, (0.0, now_s))
        return max(0.0, owed - (now_s - then_s) * self._rates.read_bytes_s)

    def _forget(self, now_s: float) -> None:
        owed = {key: self._owes(key, now_s) for key in self._owed}
        most = sorted(owed, key=owed.__getitem__, reverse=True)[: MAX_REMEMBERED_READERS // 2]
        self._owed = {key: (owed[key], now_s) for key in most if owed[key] > 0}

    def _check(self, key: str, limit: int, who: str) -> None:
        now_s = time.monotonic()
        with self._lock:
            if self._window != now_s // WINDOW_S:
                self._window, self._counts = int(now_s // WINDOW_S), Counter()
            self._counts[key] += 1
            asked = self._counts[key]
        if asked > limit:
            left_s = WINDOW_S - now_s % WINDOW_S
            raise Problem("rate-limited", f"{who} may ask {limit} times a minute", retry_after_s=max(1.0, left_s))


def network(address: str) -> str:
    """The network that counts as one client: an IPv4 address, or the IPv6 /64 of a subscriber."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
