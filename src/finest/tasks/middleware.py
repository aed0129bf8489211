"""Middleware for every request: id, rate and size limits, access log, metrics, and the answer to unexpected errors."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

from finest.tasks.logs import ACCESS
from finest.tasks.problems import Problem
from finest.tasks.responses import problem_answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from finest.tasks.authority import Authority
    from finest.tasks.metrics import Metrics
    from finest.tasks.proxies import Proxies
    from finest.tasks.rate_limits import RateLimiter

MAX_BODY_BYTES = 64 * 1024
"""Size limit of a request body. The longest valid one, a score with its note, is under 1 kB."""
BODY_TIMEOUT_S = 20.0
"""Time limit for a request body to arrive."""
PART_BYTES = 64 * 1024
"""Answers are sent in parts of this size, each after the one before has left, so a client that stops reading keeps only
one part in memory."""
_UNMETERED = ("/v1/health", "/v1/info")
"""Small answers that monitors and clients need at any time; they do not count towards the read limit of an address."""
_BODILESS = ("GET", "HEAD", "DELETE", "OPTIONS")
_METHODS = (*_BODILESS, "POST", "PUT", "PATCH")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_KEY = "finest"

log = logging.getLogger(__name__)
access = logging.getLogger(ACCESS)


@dataclass(slots=True)
class RequestRecord:
    """Facts about one request for log and metrics; handlers add to it."""

    id: str
    address: str
    began_s: float
    status: int = 0
    hotkey: str | None = None
    problem: str | None = None


def request_record(scope: Scope) -> RequestRecord:
    """The RequestRecord of the request that is being answered."""
    record: RequestRecord = scope[_KEY]
    return record


class RequestMiddleware:
    """ASGI middleware. It trusts `X-Forwarded-For` and `X-Request-Id` only from the given `proxies`."""

    def __init__(
        self, app: ASGIApp, *, rate_limiter: RateLimiter, metrics: Metrics, authority: Authority, proxies: Proxies
    ) -> None:
        self._app, self._rate_limiter, self._metrics, self._authority = app, rate_limiter, metrics, authority
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = scope[_KEY] = self._record(scope)
        id_header = (b"x-request-id", record.id.encode())

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
                await send(message)
            else:
                if scope["method"] == "GET" and scope["path"] not in _UNMETERED:
                    self._rate_limiter.has_read(record.address, len(message.get("body", b"")))
                await _in_parts(send, message)

        try:
            await self._answer(scope, receive, sending, record)
        finally:
            self._log_and_count(scope, record)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, record: RequestRecord) -> None:
        try:
            self._rate_limiter.check_address(record.address)
            if scope["method"] not in _BODILESS:
                await self._app(scope, await _whole_body(scope, receive), send)
            elif scope["path"] in _UNMETERED:
                await self._app(scope, receive, send)
            else:
                with self._rate_limiter.reading(record.address):
                    await self._app(scope, receive, send)
        except Problem as problem:
            record.problem = problem.name
            # The rest of a body that is too large stays unread, so the connection must be closed.
            close = {"Connection": "close"} if problem.name == "body-too-large" else None
            await problem_answer(problem, self._authority.block_time_s, close)(scope, receive, send)
        except _Disconnected:
            record.status = 499  # nginx's status for a client that closed the connection
        except Exception as error:  # noqa: BLE001 - a request's border; logged with its place
            record.problem = "server-error"
            _log_failure(record, error)
            if not record.status:
                failed = Problem("server-error", f"the server failed and has logged why under request {record.id}")
                await problem_answer(failed, self._authority.block_time_s)(scope, receive, send)

    def _record(self, scope: Scope) -> RequestRecord:
        peer, forwarded, asked_id = (scope.get("client") or ("unknown",))[0], [], ""
        if peer in self._proxies:
            for name, value in scope["headers"]:
                if name == b"x-forwarded-for":
                    forwarded.append(value.decode("latin-1"))
                elif name == b"x-request-id":
                    asked_id = value.decode("latin-1")
        address = self._proxies.client(peer, ",".join(forwarded))
        return RequestRecord(
            asked_id if _ID.fullmatch(asked_id) else secrets.token_hex(8), address, time.perf_counter()
        )

    def _log_and_count(self, scope: Scope, record: RequestRecord) -> None:
        seconds = time.perf_counter() - record.began_s
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.request(method, route, record.status, seconds)
        if access.isEnabledFor(logging.INFO):
            fields = {
                "request_id": record.id, "address": record.address, "method": method, "path": _path(scope),
                "status": record.status, "duration_ms": round(seconds * 1000, 2), "hotkey": record.hotkey,
                "problem": record.problem,
            }  # fmt: skip
            access.info("request", extra=fields)


def _log_failure(record: RequestRecord, error: Exception) -> None:
    """Log an unexpected error with its traceback; an unreachable database affects every request and gets one line."""
    if isinstance(error, OperationalError):
        log.error("request %s failed: %s", record.id, str(error.orig).strip().partition("\n")[0])
    else:
        log.error("request %s failed", record.id, exc_info=error)


async def _in_parts(send: Send, message: Message) -> None:
    body = message.get("body", b"")
    for start in range(0, len(body) - PART_BYTES, PART_BYTES):
        await send({"type": message["type"], "body": body[start : start + PART_BYTES], "more_body": True})
    last = (len(body) - 1) // PART_BYTES * PART_BYTES if body else 0
    await send({**message, "body": body[last:]})


class _Disconnected(Exception):
    """The client disconnected before its request body was complete."""


async def _whole_body(scope: Scope, receive: Receive) -> Receive:
    """A `receive` that returns the whole body at once; raises Problem(body-too-large) without buffering more."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not length.isdigit() or int(length[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        body = await asyncio.wait_for(_read(receive), BODY_TIMEOUT_S)
    except asyncio.TimeoutError:
        raise Problem("invalid-request", f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from None
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


async def _read(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large() -> Problem:
    return Problem("body-too-large", f"a request's body has at most {MAX_BODY_BYTES:,} bytes")


def _path(scope: Scope) -> str:
    """The path as received, percent-encoded and cut to 200 bytes, so that no character can disturb the log."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw[:200].decode("ascii", "backslashreplace")
