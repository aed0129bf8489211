"""uvicorn's HTTP protocol, with an end to requests whose head does not come, or does not end.

uvicorn's own (0.54) waits for ever, and keeps whatever comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers; h11's limit, and several times nginx's."""
HEAD_S = 20.0
"""How long a head may take to arrive, from the connection's beginning or its own."""


class Heads(HttpToolsProtocol):
    """Hangs up on heads that are too slow or too large."""

    _waiting: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiting is not None:
            self._size += len(data)
            if self._size > MAX_HEAD_BYTES:
                self._come()
                self.send_400_response(f"A request's head has at most {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._come()
        super().on_headers_complete()

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
