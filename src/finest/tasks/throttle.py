"""How often and how much somebody may ask: by address before anything is looked at, by hotkey once the signature has
been checked, and what is read by its size.

Counted in memory by each server process for itself: with N of them up to N times as much gets through. A dictionary
that begins anew each minute is all there is to it: the memory storage of the `limits` library starts a thread every
hundredth of a second to forget old keys, which took a tenth of the server's CPU.
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
READ_SAVED_S = 32
"""An address that has not read for so long may read that many seconds' worth at once: 8 MiB, some 10,000 tasks."""
AT_ONCE = 32
"""Answers to GET that an address may have on their way at the same time; a browser asks for six."""
MOST_READERS = 10_000
"""Addresses whose reading is remembered; those that have read least of late are forgotten first."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute. A miner needs about one; a company's miners, and the page's readers, share an address."""

    per_hotkey: int = 120
    per_address: int = 1200
    read_bytes_s: int = 256 * 1024
    """What an address may read a second, in bytes of answers to GET, once it has used up what it had saved."""


class Throttle:
    """Counts requests and bytes; safe to use from any thread."""

    def __init__(self, rates: Rates) -> None:
        self._rates, self._turn = rates, threading.Lock()
        self._window, self._counts = 0, Counter[str]()
        self._answering = Counter[str]()
        self._owed: dict[str, tuple[float, float]] = {}
        """By address: bytes read and not yet made up for, and when that was so."""

    def check_address(self, address: str) -> None:
        """Raises Problem(rate-limited) if the address has asked too often."""
        self._check(network(address), self._rates.per_address, "this address")

    def check_hotkey(self, hotkey: str) -> None:
        """Raises Problem(rate-limited) if the hotkey has asked too often."""
        self._check(hotkey, self._rates.per_hotkey, f"hotkey {hotkey}")

    @contextmanager
    def reading(self, address: str) -> Iterator[None]:
        """Meanwhile the address is answered something to read.

        Raises Problem(rate-limited) if it has read more than it may, or does not read what it is answered already.
        """
        key = network(address)
        with self._turn:
            self._check_read(key)
            if self._answering[key] >= AT_ONCE:
                raise Problem(
                    "rate-limited", f"{AT_ONCE} answers to this address are on their way; read them first",
                    retry_after_s=1.0,
                )  # fmt: skip
            self._answering[key] += 1
        try:
            yield
        finally:
            with self._turn:
                self._answering[key] -= 1
                if not self._answering[key]:
                    del self._answering[key]

    def _check_read(self, key: str) -> None:
        over = self._owes(key, time.monotonic()) - READ_SAVED_S * self._rates.read_bytes_s
        if over > 0:
            wait_s = max(1.0, over / self._rates.read_bytes_s)
            kib = self._rates.read_bytes_s / 1024
            raise Problem("rate-limited", f"this address may read {kib:g} KiB a second", retry_after_s=wait_s)

    def has_read(self, address: str, size_bytes: int) -> None:
        """Charge what was answered; what goes beyond the budget makes the next request wait."""
        key, now_s = network(address), time.monotonic()
        with self._turn:
            self._owed[key] = (self._owes(key, now_s) + size_bytes, now_s)
            if len(self._owed) > MOST_READERS:
                self._forget(now_s)

    def _owes(self, key: str, now_s: float) -> float:
        owed, then_s = self._owed.get(key, (0.0, now_s))
        return max(0.0, owed - (now_s - then_s) * self._rates.read_bytes_s)

    def _forget(self, now_s: float) -> None:
        owed = {key: self._owes(key, now_s) for key in self._owed}
        most = sorted(owed, key=owed.__getitem__, reverse=True)[: MOST_READERS // 2]
        self._owed = {key: (owed[key], now_s) for key in most if owed[key] > 0}

    def _check(self, key: str, limit: int, who: str) -> None:
        now_s = time.monotonic()
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
