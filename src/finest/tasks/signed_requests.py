"""Requests in somebody's name: signature, replay, rights and the store's work, all in one visit of one thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from finest.chain.auth import NotAuthenticated, verify_request
from finest.tasks.middleware import Told, told
from finest.tasks.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

    from finest.tasks.authority import Authority
    from finest.tasks.store import Store
    from finest.tasks.throttle import Throttle

T = TypeVar("T")
Right = Callable[[str], None]
"""Raises Problem for a hotkey that lacks it."""

THREADS = 8
"""Enough to keep the database busy while others wait for it; more only take the interpreter from each other."""
READERS = 2
"""Threads for who only looks, so that no number of them keeps a miner waiting for a lease."""
WAITING = 64
"""Readers that wait for their turn; one more is told to come again."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """A request as its signature sees it."""

    headers: dict[str, str]
    body: bytes
    method: str
    target: str


class Desk:
    """Serves requests of one event loop: the store is asked from threads, by those who only look from others."""

    def __init__(self, store: Store, authority: Authority, throttle: Throttle, receiver: str) -> None:
        self.store, self.authority, self.receiver = store, authority, receiver
        self._throttle = throttle
        self.pool = ThreadPoolExecutor(THREADS, "finest-desk")
        """Threads for who works: leases, renewals, finishes, scores."""
        self.readers = ThreadPoolExecutor(READERS, "finest-reader")
        self._reading = 0

    def close(self) -> None:
        for pool in (self.pool, self.readers):
            pool.shutdown(wait=True, cancel_futures=True)

    async def read(self, work: Callable[[], T]) -> T:
        """The result of blocking work for somebody who only looks; raises Problem(overloaded) where many wait."""
        if self._reading >= WAITING:
            raise Problem("overloaded", f"{WAITING} requests to read wait for their turn")
        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.readers, work)
        finally:
            self._reading -= 1

    async def ask(self, work: Callable[[], T]) -> T:
        """The result of blocking work in nobody's name."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    async def ask_as_caller(self, request: Request, right: Right, work: Callable[[str, int], T]) -> T:
        """The result of `work(hotkey, block)` for who signed the request, if the hotkey has the right.

        A hotkey that lacks it is looked for once more in a newer view, if there is one to be had.
        """
        signed, record = _signed(request.scope, await request.body()), told(request.scope)
        visit = partial(self._visit, signed, record, right, work)
        try:
            return await self.ask(visit)
        except Problem as problem:
            if problem.name not in ("not-registered", "not-a-validator") or not await self.authority.look_again():
                raise
        return await self.ask(visit)

    def _visit(self, signed: _Signed, record: Told, right: Right, work: Callable[[str, int], T]) -> T:
        def remember(hotkey: str, nonce_ns: int) -> bool:
            """Rights come first: strangers leave no trace in the database. A replay costs its victim no quota."""
            record.hotkey = hotkey
            right(hotkey)
            new = self.store.remember(hotkey, nonce_ns, time.time())
            if new:
                self._throttle.check_hotkey(hotkey)
            return new

        self.authority.check_age()
        try:
            hotkey = verify_request(
                signed.headers, signed.body, method=signed.method, target=signed.target, receiver=self.receiver,
                remember=remember,
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
