"""Authenticated requests: verify the signature, check rights, reject replays and run the store call in one worker
thread.

Reads need no signature; they run in threads of their own, so that no number of readers delays a lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from finest.chain.auth import NotAuthenticated, verify_request
from finest.tasks.middleware import RequestRecord, request_record
from finest.tasks.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

    from finest.tasks.authority import Authority
    from finest.tasks.rate_limits import RateLimiter
    from finest.tasks.store import Store

T = TypeVar("T")
RightCheck = Callable[[str], None]
"""A function that raises Problem for a hotkey without the right to make the request."""

WORKER_THREADS = 8
"""Threads for leases, renewals, finishes and scores. They keep the database busy; more would compete for the GIL."""
READER_THREADS = 2
"""Threads for unsigned reads, separate so that no number of readers delays a lease."""
MAX_WAITING_READERS = 64
"""The most reads that may wait for a thread; the server refuses further ones as `overloaded`."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """The parts of a request that its signature covers."""

    headers: dict[str, str]
    body: bytes
    method: str
    target: str


class RequestExecutor:
    """Runs the blocking work of requests in threads: signed requests in `workers`, reads in `readers`.

    Use it from one event loop only.
    """

    def __init__(self, store: Store, authority: Authority, rate_limiter: RateLimiter, receiver: str) -> None:
        self.store, self.authority, self.receiver = store, authority, receiver
        self._rate_limiter = rate_limiter
        self.workers = ThreadPoolExecutor(WORKER_THREADS, "finest-worker")
        """Threads for leases, renewals, finishes and scores."""
        self.readers = ThreadPoolExecutor(READER_THREADS, "finest-reader")
        self._reading = 0

    def close(self) -> None:
        for pool in (self.workers, self.readers):
            pool.shutdown(wait=True, cancel_futures=True)

    async def read(self, work: Callable[[], T]) -> T:
        """Run blocking work of an unsigned read; raises Problem(overloaded) if too many reads are waiting."""
        if self._reading >= MAX_WAITING_READERS:
            raise Problem("overloaded", f"{MAX_WAITING_READERS} reads are waiting already")
        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.readers, work)
        finally:
            self._reading -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Run blocking work in a worker thread, without authentication."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, work)

    async def run_signed(self, request: Request, check_right: RightCheck, work: Callable[[str, int], T]) -> T:
        """Run `work(hotkey, block)` for the hotkey that signed the request, if `check_right` allows it.

        A hotkey without the right may have registered just now, so the check is repeated once with a newer view of the
        subnet if there is one.
        """
        signed, record = _signed(request.scope, await request.body()), request_record(request.scope)
        verify_and_run = partial(self._verify_and_run, signed, record, check_right, work)
        try:
            return await self.run(verify_and_run)
        except Problem as problem:
            if (
                problem.name not in ("not-registered", "not-a-validator")
                or not await self.authority.wait_for_newer_view()
            ):
                raise
        return await self.run(verify_and_run)

    def _verify_and_run(
        self, signed: _Signed, record: RequestRecord, check_right: RightCheck, work: Callable[[str, int], T]
    ) -> T:
        def accept_nonce(hotkey: str, nonce_ns: int) -> bool:
            """Check rights, then the replay, then the rate limit.

            In this order strangers write nothing to the database, and a replay uses up no quota of its victim.
            """
            record.hotkey = hotkey
            check_right(hotkey)
            new = self.store.accept_nonce(hotkey, nonce_ns, time.time())
            if new:
                self._rate_limiter.check_hotkey(hotkey)
            return new

        self.authority.check_age()
        try:
            hotkey = verify_request(
                signed.headers, signed.body, method=signed.method, target=signed.target, receiver=self.receiver,
                accept_nonce=accept_nonce,
            )  # fmt: skip
        except NotAuthenticated as error:
            raise Problem("not-authenticated", str(error), reason=error.reason) from error
        return work(hotkey, self.authority.block)


def _signed(scope: Scope, body: bytes) -> _Signed:
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name.startswith(b"x-bittensor-")
    }
    return _Signed(headers, body, scope["method"], target)
