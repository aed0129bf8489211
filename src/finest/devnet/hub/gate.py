"""Middleware for every request: the log, the faults and the rate-limit headers."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from finest.devnet import browsers
from finest.devnet.hub.faults import Fault, Faults, RequestLog, Seen
from finest.devnet.hub.refusal import as_answer

API_QUOTA, RESOLVER_QUOTA, WINDOW_S = 1000, 5000, 300
"""Requests that a free user may make in five minutes (https://huggingface.co/docs/hub/rate-limits). The devnet states
these limits but does not enforce them: tests request a 429 with a fault."""


class Connections:
    """The open connections by the client's address, so that the gate can close one without a response."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.BaseTransport] = {}

    def protocol(self) -> type[H11Protocol]:
        """Return uvicorn's HTTP/1.1 protocol class, extended to register each connection here."""
        connections = self._open

        class Watched(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                connections[transport.get_extra_info("peername")[:2]] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.transport.get_extra_info("peername")[:2], None)
                super().connection_lost(exc)

        return Watched

    def close(self, scope: Scope) -> None:
        """Send the written bytes, then close the connection."""
        transport = self._open.get(tuple(scope["client"]))
        if transport:
            transport.close()


class Quota:
    """The requests left of a rate limit in the current window."""

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most, self._used, self._since = name, most, 0, 0.0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Count one request and return the rate-limit headers; at least one request always remains."""
        passed = time.monotonic() - self._since
        if passed > WINDOW_S or not self._since:
            self._used, self._since, passed = 0, time.monotonic(), 0.0
        self._used += 1
        left = f'"{self._name}";r={max(self._most - self._used, 1)};t={int(WINDOW_S - passed)}'
        policy = f'"fixed window";"{self._name}";q={self._most};w={WINDOW_S}'
        return [(b"ratelimit", left.encode()), (b"ratelimit-policy", policy.encode())]


class Exchange:
    """One request and its response with byte counts. `extra` headers are added to the response, which may be cut."""

    def __init__(self, receive: Receive, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        self._receive, self._send, self.extra = receive, send, extra
        self.status = 0
        self.received_bytes = 0
        self.sent_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.received_bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), *self.extra]}
        self.sent_bytes += len(message.get("body", b""))
        await self._send(message)

    async def swallow(self, message: Message) -> None:
        """Discard the message: the response is lost."""

    async def send_until(self, most: int, message: Message) -> bool:
        """Send at most `most` body bytes in total; return False once the limit cuts the body."""
        body = message.get("body", b"")
        if message["type"] == "http.response.start" or self.sent_bytes + len(body) <= most:
            await self.send(message)
            return True
        await self.send({**message, "body": body[: most - self.sent_bytes], "more_body": True})
        return False


class Gate:
    """The outermost ASGI application, which wraps the Hub."""

    def __init__(self, app: ASGIApp, faults: Faults, log: RequestLog, connections: Connections) -> None:
        self._app, self._faults, self._log, self._connections = app, faults, log, connections
        self._api, self._resolvers = Quota("api", API_QUOTA), Quota("resolvers", RESOLVER_QUOTA)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        page = browsers.refusal(Headers(scope=scope).get) if scope["type"] == "http" else None
        if page is not None:
            await as_answer(403, page)(scope, receive, send)
            return
        if scope["type"] != "http" or path.startswith("/_devnet/"):
            await self._app(scope, receive, send)
            return
        exchange = Exchange(receive, send, self._limits(path))
        fault = self._faults.take(scope["method"], path)
        try:
            await (self._broken(fault, scope, exchange) if fault else self._app(scope, exchange.receive, exchange.send))
        finally:
            status, received, sent = exchange.status, exchange.received_bytes, exchange.sent_bytes
            self._log.add(Seen(scope["method"], path, status, received, sent))

    def _limits(self, path: str) -> list[tuple[bytes, bytes]]:
        if path.startswith("/api/"):
            return self._api.headers()
        return self._resolvers.headers() if "/resolve/" in path else []

    async def _broken(self, fault: Fault, scope: Scope, exchange: Exchange) -> None:
        await asyncio.sleep(fault.stall_s)
        if fault.lost:
            await self._app(scope, exchange.receive, exchange.swallow)
        if fault.status is not None:
            answer = as_answer(fault.status, "Injected by a test")
            answer.headers.update(fault.all_headers())
            exchange.extra = []
            await answer(scope, exchange.receive, exchange.send)
        elif fault.lost or fault.drop:
            self._connections.close(scope)
        elif fault.cut_bytes is not None:
            await self._cut(fault.cut_bytes, scope, exchange)
        else:
            await self._app(scope, exchange.receive, exchange.send)

    async def _cut(self, most: int, scope: Scope, exchange: Exchange) -> None:
        whole = True

        async def send(message: Message) -> None:
            nonlocal whole
            if whole:
                whole = await exchange.send_until(most, message)
                if not whole:
                    self._connections.close(scope)

        await self._app(scope, exchange.receive, send)
