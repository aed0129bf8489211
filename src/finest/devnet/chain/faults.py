"""What goes wrong on demand. Set a field and it is so; `clear()` mends everything."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from finest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Faults:
    """Faults of the chain's server.

    freeze          sockets, old and new, are open and nothing is read or answered, not even pings
    stall_s         each answer comes so many seconds late
    drop_next       so many of the next requests are answered by a cut connection
    refuse_http     new connections are refused with this HTTP status, 429 for one (0: not)
    retry_after_s   what the refusal says of coming again (0: nothing)
    slow_block_s    so many seconds are added to each block of a running clock
    halt_blocks     a running clock makes no blocks
    fail_submits    JSON-RPC errors (code, message, data) that answer the next submits, first to last
    lose_submits    so many of the next submits are taken in, and the connection is cut instead of an answer
    """

    freeze: bool = False
    stall_s: float = 0.0
    drop_next: int = 0
    refuse_http: int = 0
    retry_after_s: int = 0
    slow_block_s: float = 0.0
    halt_blocks: bool = False
    fail_submits: list[dict[str, Any]] = field(default_factory=list)
    lose_submits: int = 0

    _listener: Callable[[], None] | None = field(default=None, repr=False, compare=False)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        listener = self.__dict__.get("_listener")
        if listener is not None and name == "freeze":
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this when `freeze` is set."""
        self._listener = listener

    def set(self, **changes: Any) -> None:
        """Set several; raises UsageError for a fault that does not exist."""
        known = [entry.name for entry in fields(self) if not entry.name.startswith("_")]
        for name in changes:
            if name not in known:
                raise UsageError(f"unknown fault {name}; known are {', '.join(known)}")
        for name, value in changes.items():
            setattr(self, name, value)

    def clear(self) -> None:
        """No faults."""
        self.set(**{f.name: getattr(Faults(), f.name) for f in fields(self) if not f.name.startswith("_")})

    def as_json(self) -> dict[str, Any]:
        """The faults that are set."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}

    def take(self, name: str) -> bool:
        """Whether a counted fault is due; counts it down."""
        left = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return bool(left > 0)
