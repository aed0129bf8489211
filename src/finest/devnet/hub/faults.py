"""What goes wrong on demand, and the log of what was asked.

hub.faults.add(Fault(path="/commit/", lost=True))                    done, but the client hears nothing
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
"""The newest are kept; about 30 MB."""


class Fault(BaseModel):
    """One thing that goes wrong with the next `times` requests (after `skip`) whose path matches.

    `status` answers without doing the work; `drop` closes the connection without doing it; `lost` does the work and
    then closes (or answers `status`); `cut_bytes` closes after so many bytes of the body; `stall_s` waits first, alone
    or with one of these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """A regular expression, searched in the path."""
    method: str | None = None
    times: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    retry_after_s: int | None = Field(default=None, ge=0)
    """Sent as Retry-After, and with 429 as the Hub's RateLimit headers too."""
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
        """The headers of an answer with `status`."""
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
    """The faults to come. Of several that match a request, the first added is taken; a skip counts as taken by none."""

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
        """The fault of this request, if any; it has one time less then."""
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
    """One request that was answered, or not: `status` is then 0. No query, no headers: no tokens, no signatures."""

    method: str
    path: str
    status: int
    received_bytes: int
    sent_bytes: int


class RequestLog:
    """What was asked, oldest first."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=LOGGED_REQUESTS)

    def add(self, seen: Seen) -> None:
        self._seen.append(seen)

    def all(self) -> list[Seen]:
        return list(self._seen)

    def clear(self) -> None:
        self._seen.clear()

    def count(self, path: str, *, method: str | None = None, status: int | None = None) -> int:
        """How many requests had a path that matches the regular expression, and that method and status if given."""
        return sum(
            bool(re.search(path, seen.path)) and method in {None, seen.method} and status in {None, seen.status}
            for seen in self.all()
        )


router = APIRouter(prefix="/_devnet")


@router.post("/faults")
async def add_faults(request: Request, body: Fault | list[Fault]) -> Response:
    """One fault, or several."""
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
    """The log: method, path, status (0: no answer), bytes."""
    return JSONResponse([asdict(seen) for seen in request.app.state.requests.all()])


@router.delete("/requests")
async def clear_requests(request: Request) -> Response:
    request.app.state.requests.clear()
    return JSONResponse([])
