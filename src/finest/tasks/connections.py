"""How many connections one server process holds, in all and by address, and which of them it ends for new ones.

A connection costs a file descriptor and some kilobytes, so whoever opens many without asking anything could shut
everybody else out. So each address has a share, and where the process is full the connection that has been idle for
longest, of the address that has most, makes room.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from finest.tasks.proxies import Proxies
from finest.tasks.throttle import network

if TYPE_CHECKING:
    from collections.abc import Iterable


class Connection(Protocol):
    """One connection, as far as it concerns the others."""

    @property
    def peer(self) -> str:
        """The address that it comes from."""

    @property
    def idle_since_s(self) -> float | None:
        """By the loop's clock, since when the server waits for the caller there; None: a request is in work.

        It waits for a request, for the rest of one, or for its answer to be read.
        """

    def make_room(self) -> None:
        """End it at once."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections a process holds."""

    in_all: int = 1000
    per_address: int = 64
    """Of one that is no trusted proxy: a company's miners share an address."""


class Connections:
    """The connections of one process; for one event loop."""

    def __init__(self, room: Room, proxies: Proxies) -> None:
        self.room, self._proxies = room, proxies
        self._open: set[Connection] = set()
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def refusal(self, peer: str) -> str | None:
        """Why one more connection from there is not taken, or None where it may be: then `add` follows.

        Where the process is full this ends an idle connection.
        """
        if peer not in self._proxies and self._by_address[network(peer)] >= self.room.per_address:
            return f"this address has {self.room.per_address} connections; end one first"
        if len(self._open) >= self.room.in_all and not self._make_room():
            return "the server has as many connections as it takes"
        return None

    def add(self, one: Connection) -> None:
        self._open.add(one)
        self._by_address[network(one.peer)] += 1

    def remove(self, one: Connection) -> None:
        """Forget a connection that is over; one that was never added, or is forgotten, is passed over."""
        if one not in self._open:
            return
        self._open.discard(one)
        key = network(one.peer)
        self._by_address[key] -= 1
        if not self._by_address[key]:
            del self._by_address[key]

    def _make_room(self) -> bool:
        oldest = min(self._idle(), key=self._worth, default=None)
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.make_room()
        return True

    def _idle(self) -> Iterable[Connection]:
        return (one for one in self._open if one.idle_since_s is not None)

    def _worth(self, one: Connection) -> tuple[int, float]:
        return -self._by_address[network(one.peer)], one.idle_since_s or 0.0
