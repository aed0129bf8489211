"""HTTP timeouts and size limits for uvicorn: request heads, unread answers and the number of connections.

uvicorn's own protocol (0.54) waits forever for a request head and for a client that does not read its answer, and it
buffers whatever arrives. The process's Connections are in the application's `state`.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from finest.tasks.connections import Connections

MAX_HEAD_BYTES = 64 * 1024
"""Limit for request line and headers together. h11 has the same limit; nginx's default is several times smaller."""
HEAD_TIMEOUT_S = 20.0
"""Time limit for a request head, counted from the start of the connection or from the first byte of the head."""
WRITE_TIMEOUT_S = 30.0
"""Time limit for the client to read one part of an answer (at most 64 KiB). That is 2 KiB a second, slower than any
modem."""
SEND_BUFFER_BYTES = 128 * 1024
"""Size of the kernel's send buffer (Linux doubles it). By default the kernel would buffer 4 MB for each connection."""
LINGER_S = 1.0
"""How long a refused connection stays open, so that the client can read the reason."""
MAX_LINGERING = 64
_REFUSED = {429: "Too Many Requests", 503: "Service Unavailable"}

log = logging.getLogger(__name__)


class LimitedHttpProtocol(HttpToolsProtocol):
    """HTTP protocol that closes slow or oversized requests, unread answers and connections beyond the limit."""

    peer = "unknown"
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _size = 0
    _refused = False
    _idle_since_s = 0.0
    _lingering = 0
    _running_cycle: RequestResponseCycle | None = None

    @property
    def open_connections(self) -> Connections:
        """The open connections of this process."""
        found: Connections = self.config.loaded_app.state.connections
        return found

    @property
    def idle_since_s(self) -> float | None:
        """Loop time since which the server waits for the client; None while a request is being processed."""
        cycle = self.cycle
        in_work = (
            cycle is not None and not cycle.response_complete and not cycle.more_body and self._write_timer is None
        )
        return None if in_work else self._idle_since_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # What the kernel does not take at once counts as unread, and uvicorn stops writing until it has been read.
        transport.set_write_buffer_limits(high=0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.peer = self.client[0] if self.client else "unknown"
        refusal = self.open_connections.refusal(self.peer)
        if refusal is not None:
            self._refuse(refusal, 429 if refusal.startswith("this address") else 503)
            return
        self._idle_since_s = self.loop.time()
        self.open_connections.add(self)
        self._start_head_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timeout()
        self._cancel_write_timeout()
        self._drop_pending_requests()
        self.open_connections.remove(self)
        if self._refused:
            LimitedHttpProtocol._lingering -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self._head_timer is not None:
            self._size += len(data)
            if self._size > MAX_HEAD_BYTES:
                self._cancel_head_timeout()
                self.send_400_response(f"A request's head has at most {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._idle_since_s = self.loop.time()
        self._start_head_timeout()

    def on_headers_complete(self) -> None:
        self._cancel_head_timeout()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running_cycle = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._idle_since_s = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_TIMEOUT_S, self._on_write_timeout)

    def resume_writing(self) -> None:
        self._cancel_write_timeout()
        super().resume_writing()

    def evict(self) -> None:
        """Close this idle connection to make room for a new one."""
        self._drop_pending_requests()
        self.transport.abort()

    def _refuse(self, why: str, status: int) -> None:
        """Send the refusal and close the connection.

        Closing at once can discard the refusal before the client reads it, so up to MAX_LINGERING refused connections
        stay open for LINGER_S.
        """
        self._refused = True
        LimitedHttpProtocol._lingering += 1
        self.transport.write(_refusal(why, status))
        if LimitedHttpProtocol._lingering > MAX_LINGERING:
            self.transport.abort()
            return
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _on_write_timeout(self) -> None:
        log.info("closed the connection of %s, which did not read its answer for %g s", self.peer, WRITE_TIMEOUT_S)
        self.evict()

    def _drop_pending_requests(self) -> None:
        """Stop all answers on this connection. uvicorn itself marks only the last of several pipelined requests."""
        self.pipeline.clear()
        if self._running_cycle is not None:
            self._running_cycle.disconnected = True

    def _start_head_timeout(self) -> None:
        self._cancel_head_timeout()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._on_head_timeout)

    def _on_head_timeout(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self._start_head_timeout()  # uvicorn reads this head only after it has answered the request before it

    def _cancel_head_timeout(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer, self._size = None, 0

    def _cancel_write_timeout(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._write_timer = None


def _refusal(why: str, status: int) -> bytes:
    from finest.tasks.problems import Problem
    from finest.tasks.responses import PROBLEM_TYPE

    problem = Problem("rate-limited" if status == 429 else "overloaded", why, retry_after_s=2.0)
    body = problem.details.model_dump_json(exclude_none=True).encode()
    head: dict[str, Any] = {
        "Content-Type": PROBLEM_TYPE, "Content-Length": len(body), "Retry-After": 2, "Connection": "close",
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {status} {_REFUSED[status]}\r\n{lines}\r\n".encode() + body
