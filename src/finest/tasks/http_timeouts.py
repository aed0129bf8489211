"""uvicorn's HTTP protocol with an end to what a caller can leave open: a head that does not come or does not end, an
answer that is not read, a connection too many.

uvicorn's own (0.54) waits for ever in each of these cases, and keeps whatever comes. The application's `state` holds
the process's Connections.
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
"""Request line and headers; h11's limit, and several times nginx's."""
HEAD_S = 20.0
"""How long a head may take to arrive, from the connection's beginning or its own."""
WRITE_S = 30.0
"""How long a part of an answer, of 64 KiB at most, may wait for its reader: 2 KiB a second, slower than any modem."""
KERNEL_BYTES = 128 * 1024
"""What the kernel is asked to hold of an answer (Linux doubles it); by itself it would hold 4 MB of each connection."""
LINGER_S = 1.0
"""How long a connection that was refused stays, so that its caller can read why."""
MOST_LINGERING = 64
_REFUSED = {429: "Too Many Requests", 503: "Service Unavailable"}

log = logging.getLogger(__name__)


class Heads(HttpToolsProtocol):
    """Hangs up on heads that are too slow or too large, on who does not read, and on connections too many."""

    peer = "unknown"
    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _size = 0
    _refused = False
    _idle_since_s = 0.0
    _lingering = 0
    _in_work: RequestResponseCycle | None = None

    @property
    def held(self) -> Connections:
        """This process's connections."""
        found: Connections = self.config.loaded_app.state.connections
        return found

    @property
    def idle_since_s(self) -> float | None:
        """Since when the server waits for the caller here, by the loop's clock; None: a request is in work."""
        cycle = self.cycle
        in_work = cycle is not None and not cycle.response_complete and not cycle.more_body and self._unread is None
        return None if in_work else self._idle_since_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Whatever the kernel does not take at once counts as unread, and nothing more is written meanwhile.
        transport.set_write_buffer_limits(high=0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        self.peer = self.client[0] if self.client else "unknown"
        refusal = self.held.refusal(self.peer)
        if refusal is not None:
            self._refuse(refusal, 429 if refusal.startswith("this address") else 503)
            return
        self._idle_since_s = self.loop.time()
        self.held.add(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._come()
        self._read()
        self._leave()
        self.held.remove(self)
        if self._refused:
            Heads._lingering -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self._waiting is not None:
            self._size += len(data)
            if self._size > MAX_HEAD_BYTES:
                self._come()
                self.send_400_response(f"A request's head has at most {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._idle_since_s = self.loop.time()
        self._wait()

    def on_headers_complete(self) -> None:
        self._come()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._in_work = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._idle_since_s = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(WRITE_S, self._give_up)

    def resume_writing(self) -> None:
        self._read()
        super().resume_writing()

    def make_room(self) -> None:
        """End an idle connection for a new one."""
        self._leave()
        self.transport.abort()

    def _refuse(self, why: str, status: int) -> None:
        """Say so, and close: gracefully for a few, for whoever closes at once may take the words with it."""
        self._refused = True
        Heads._lingering += 1
        self.transport.write(_refusal(why, status))
        if Heads._lingering > MOST_LINGERING:
            self.transport.abort()
            return
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _give_up(self) -> None:
        log.info("hung up on %s, which did not read its answer for %g s", self.peer, WRITE_S)
        self.make_room()

    def _leave(self) -> None:
        """Nothing more is written: uvicorn tells only the last of several requests that came at once."""
        self.pipeline.clear()
        if self._in_work is not None:
            self._in_work.disconnected = True

    def _wait(self) -> None:
        self._come()
        self._waiting = self.loop.call_later(HEAD_S, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self._wait()  # it is not read before the request ahead of it is answered

    def _come(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting, self._size = None, 0

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = None


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
