"""Connection limits of one server process, in total and per address, and the choice of connections to evict.

A connection costs a file descriptor and some kilobytes, so a client that opens many idle ones could lock out everybody
else. Each address therefore has a limit. When the process is full, it closes the connection that has been idle longest
of the address with the most connections.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from finest.tasks.proxies import Proxies
from finest.tasks.rate_limits import network

if TYPE_CHECKING:
    from collections.abc import Iterable


class Connection(Protocol):
    """The part of a connection that Connections needs."""

    @property
    def peer(self) -> str:
        """The address of the client, or of the proxy in front of it."""

    @property
    def idle_since_s(self) -> float | None:
        """Loop time since which the server waits for the client; None while a request is being processed.

        The server may wait for a request, for the rest of one, or for the client to read its answer.
        """

    def evict(self) -> None:
        """Close the connection at once."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections a process accepts."""

    total: int = 1000
    per_address: int = 64
    """Limit for one address that is not a trusted proxy; the miners of one company may share an address."""


class Connections:
    """The open connections of one process. Use it from one event loop only."""

    def __init__(self, connection_limits: ConnectionLimits, proxies: Proxies) -> None:
        self.connection_limits, self._proxies = connection_limits, proxies
        self._open: set[Connection] = set()
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def refusal(self, peer: str) -> str | None:
        """Reason to refuse a new connection from `peer`; None if the caller may `add` it.

        When the process is full, this call closes an idle connection to make room.
        """
        if peer not in self._proxies and self._by_address[network(peer)] >= self.connection_limits.per_address:
            return f"this address has {self.connection_limits.per_address} open connections; close one first"
        if len(self._open) >= self.connection_limits.total and not self._evict_idle():
            return "the server has reached its limit of open connections"
        return None

    def add(self, one: Connection) -> None:
        self._open.add(one)
        self._by_address[network(one.peer)] += 1

    def remove(self, one: Connection) -> None:
        """Forget a closed connection. Does nothing for a connection that is not registered."""
        if one not in self._open:
            return
        self._open.discard(one)
        key = network(one.peer)
        self._by_address[key] -= 1
        if not self._by_address[key]:
            del self._by_address[key]

    def _evict_idle(self) -> bool:
        oldest = min(self._idle(), key=self._eviction_order, default=None)
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.evict()
        return True

    def _idle(self) -> Iterable[Connection]:
        return (one for one in self._open if one.idle_since_s is not None)

    def _eviction_order(self, one: Connection) -> tuple[int, float]:
        return -self._by_address[network(one.peer)], one.idle_since_s or 0.0
