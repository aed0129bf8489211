"""Faults on demand. Setting a field takes effect at once; `clear()` removes all faults."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from finest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Faults:
    """Faults of the chain's server.

    freeze          existing and new sockets stay open, but the server reads and answers nothing, not even pings
    stall_s         seconds by which each response is delayed
    drop_next       number of next requests for which the server cuts the connection
    refuse_http     HTTP status, such as 429, with which the server refuses new connections (0: accept them)
    retry_after_s   Retry-After of that refusal, in seconds (0: no header)
    slow_block_s    seconds added to each block of a running clock
    halt_blocks     a running clock makes no blocks
    fail_submits    JSON-RPC errors (code, message, data) for the next submits, in order
    lose_submits    number of next submits that the server executes, cutting the connection instead of responding
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
        """Register the function to call when `freeze` is set."""
        self._listener = listener

    def set(self, **changes: Any) -> None:
        """Set several faults; raise UsageError for an unknown one."""
        known = [entry.name for entry in fields(self) if not entry.name.startswith("_")]
        for name in changes:
            if name not in known:
                raise UsageError(f"unknown fault {name}; known are {', '.join(known)}")
        for name, value in changes.items():
            setattr(self, name, value)

    def clear(self) -> None:
        """Remove all faults."""
        self.set(**{f.name: getattr(Faults(), f.name) for f in fields(self) if not f.name.startswith("_")})

    def as_json(self) -> dict[str, Any]:
        """Return all fields with their values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}

    def take(self, name: str) -> bool:
        """Return whether a counted fault is due, and count it down."""
        left = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return bool(left > 0)
