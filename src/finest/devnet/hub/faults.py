"""Faults on demand, and the log of requests.

hub.faults.add(Fault(path="/commit/", lost=True))                    the commit is made, but the response is lost
hub.faults.add(Fault(path="/_cdn/", cut_bytes=1_000_000, times=2))   two downloads break off
POST /_devnet/faults {"path": "/api/", "status": 429, "retry_after_s": 2}
"""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LOGGED_REQUESTS = 100_000
"""Number of latest requests in the log; they take about 30 MB."""


class Fault(BaseModel):
    """One fault for the next `times` requests whose path matches, after skipping `skip` of them.

    `status` responds without executing the request; `drop` closes the connection without executing it; `lost` executes
    it and then closes the connection (or responds with `status`); `cut_bytes` closes the connection after that many
    bytes of the body; `stall_s` first waits, alone or with one of the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """A regular expression that is searched in the path."""
    method: str | None = None
    times: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    retry_after_s: int | None = Field(default=None, ge=0)
    """Seconds for the Retry-After header and, with status 429, for the Hub's RateLimit header."""
    drop: bool = False
    lost: bool = False
    stall_s: float = Field(default=0, ge=0)
    cut_bytes: int | None = Field(default=None, ge=0)

    @field_validator("path")
    @classmethod
    def _is_an_expression(cls, path: str) -> str:
        try:
            re.compile(path)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return path

    @model_validator(mode="after")
    def _is_one_thing(self) -> Fault:
        alone = [self.status is not None and not self.lost, self.drop, self.lost, self.cut_bytes is not None]
        if sum(alone) > 1 or not (any(alone) or self.stall_s):
            raise ValueError("a fault is one of status, drop, lost, cut_bytes; or stall_s alone")
        return self

    def all_headers(self) -> dict[str, str]:
        """Return the headers of a response with `status`."""
        told: dict[str, str] = {}
        if self.retry_after_s is not None:
            told["Retry-After"] = str(self.retry_after_s)
            if self.status == 429:
                told["RateLimit"] = f'"api";r=0;t={self.retry_after_s}'
        return {**told, **self.headers}


@dataclass(slots=True)
class _Pending:
    fault: Fault
    skip: int
    times: int

    def matches(self, method: str, path: str) -> bool:
        return self.fault.method in {None, method} and bool(re.search(self.fault.path, path))


class Faults:
    """The pending faults. If several match a request, the one added first applies; a skipped fault lets the next
    apply.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._pending += [_Pending(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, if any, and use up one of its `times`."""
        with self._lock:
            for pending in self._pending:
                if not pending.matches(method, path):
                    continue
                if pending.skip:
                    pending.skip -= 1
                    continue
                pending.times -= 1
                self._pending = [one for one in self._pending if one.times]
                return pending.fault
        return None

    def pending(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{**p.fault.model_dump(), "skip": p.skip, "times": p.times} for p in self._pending]


@dataclass(frozen=True, slots=True)
class Seen:
    """One logged request; `status` is 0 if it got no response.

    The log omits the query and the headers, so it holds no tokens or signatures.
    """

    method: str
    path: str
    status: int
    received_bytes: int
    sent_bytes: int


class RequestLog:
    """The log of requests, oldest first."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=LOGGED_REQUESTS)

    def add(self, seen: Seen) -> None:
        self._seen.append(seen)

    def all(self) -> list[Seen]:
        return list(self._seen)

    def clear(self) -> None:
        self._seen.clear()

    def count(self, path: str, *, method: str | None = None, status: int | None = None) -> int:
        """Count the requests whose path matches the regular expression, and with that method and status if given."""
        return sum(
            bool(re.search(path, seen.path)) and method in {None, seen.method} and status in {None, seen.status}
            for seen in self.all()
        )


router = APIRouter(prefix="/_devnet")


@router.post("/faults")
async def add_faults(request: Request, body: Fault | list[Fault]) -> Response:
    """Add one fault or several."""
    faults: Faults = request.app.state.faults
    faults.add(*(body if isinstance(body, list) else [body]))
    return JSONResponse(faults.pending())


@router.get("/faults")
async def pending_faults(request: Request) -> Response:
    return JSONResponse(request.app.state.faults.pending())


@router.delete("/faults")
async def clear_faults(request: Request) -> Response:
    request.app.state.faults.clear()
    return JSONResponse([])


@router.get("/requests")
async def seen_requests(request: Request) -> Response:
    """Return the log: method, path, status (0: no response), bytes."""
    return JSONResponse([asdict(seen) for seen in request.app.state.requests.all()])


@router.delete("/requests")
async def clear_requests(request: Request) -> Response:
    request.app.state.requests.clear()
    return JSONResponse([])
