"""One connection to the chain per process: every call has a deadline, and a failed connection is replaced.

The SDK reports a dead peer only after 60 s and leaves the rest to its caller, so each attempt here gets half of the
call's deadline. After any failure below the level of the chain's own responses (refused, reset, frozen, 429, garbage),
the connection is discarded and the call is retried on a new one, after a wait, until the deadline. Work given to `call`
must therefore be safe to repeat: writes first check whether they were already done (submission.py).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import bittensor as bt
from bittensor.error_map import ErrorCode
from bittensor.result import BittensorError, RpcConnectionError, RpcPolicyError
from bittensor.result import ChainError as SdkChainError
from websockets.exceptions import WebSocketException

from finest.chain.errors import ChainError, Unreachable, UnsupportedRuntime
from finest.chain.event_loop import LoopThread
from finest.retry import Backoff, Policy

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[bt.Client], Awaitable[T]]

READ_S = 30.0
"""Deadline of a read: a metagraph takes under 5 s, which leaves time to replace the connection once."""
SUBMIT_S = 120.0
"""Deadline of a write: ten blocks of 12 s."""
_RETRY = Policy(first_s=0.5, cap_s=8.0, asked_cap_s=SUBMIT_S)
_CLOSE_S = 15.0
"""Timeout for closing a client; a WebSocket's closing handshake gives up after 10 s."""


class Lost(Exception):
    """A write whose outcome is unknown; the work is retried and first checks whether it was done."""


_TRANSPORT = (RpcConnectionError, WebSocketException, OSError, EOFError, asyncio.TimeoutError, TimeoutError, Lost)


class Connection:
    """A client that connects when needed; usable from any thread, and in a forked child (which gets its own)."""

    def __init__(self, target: str, netuid: int) -> None:
        self.target, self._netuid = target, netuid
        self._guard = threading.Lock()
        self._open: tuple[LoopThread, _Line] | None = None
        self._pid = os.getpid()

    def call(self, work: Work[T], deadline_s: float = READ_S) -> T:
        """Run `work` on the client; raises Unreachable after the deadline, ChainError if the chain itself refuses."""
        thread, line = self._here()
        try:
            return thread.run(line.call(work, deadline_s), deadline_s)
        except TimeoutError as error:
            self.close()
            raise Unreachable(f"{self.target} did not answer in {deadline_s:.0f} s") from error
        except concurrent.futures.CancelledError as error:
            raise ChainError(f"the connection to {self.target} was closed") from error

    def close(self) -> None:
        """Close the connection and its thread; the next call opens a new one."""
        with self._guard:
            opened, self._open = self._open, None
        if opened is not None:
            opened[0].close()

    def _here(self) -> tuple[LoopThread, _Line]:
        if os.getpid() != self._pid:  # after a fork, the parent's lock may be held for ever
            self._pid, self._guard = os.getpid(), threading.Lock()
            if self._open is not None:
                self._open[0].abandon()
            self._open = None
        with self._guard:
            if self._open is None:
                line = _Line(self.target, self._netuid)
                self._open = LoopThread("finest-chain", line.close), line
            return self._open


class _Line:
    """The client and the tasks that close old clients, all on the event loop's thread."""

    def __init__(self, target: str, netuid: int) -> None:
        self.target, self._netuid = target, netuid
        self._client: bt.Client | None = None
        self._connecting = asyncio.Lock()
        self._strays: set[asyncio.Task[None]] = set()

    async def call(self, work: Work[T], deadline_s: float) -> T:
        end = time.monotonic() + deadline_s
        backoff = Backoff(_RETRY, budget_s=deadline_s)
        while True:
            try:
                return await self._attempt(work, min(deadline_s / 2, end - time.monotonic()))
            except BittensorError as error:
                if not _is_transport(error):
                    raise ChainError(f"the chain refuses: {error}") from error
                problem: Exception = error
            except _TRANSPORT as error:
                problem = error
            wait_s = backoff.next_s(_asked_for_s(problem))
            if wait_s is None:
                raise self._unreachable(problem, deadline_s) from problem
            log.info("chain: %s; again in %.1f s", _describe(problem), wait_s)
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await _close(client)

    async def _attempt(self, work: Work[T], limit_s: float) -> T:
        """Make one attempt. `wait_for` would wait for the cancelled work, which may itself wait for a frozen peer."""
        used: list[bt.Client] = []
        task = asyncio.ensure_future(self._connect_and(work, used))
        try:
            done, _ = await asyncio.wait({task}, timeout=max(limit_s, 0.0))
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            self._drop(used)
            raise asyncio.TimeoutError(f"no answer in {limit_s:.0f} s")
        error = None if task.cancelled() else task.exception()
        if isinstance(error, _TRANSPORT) or (isinstance(error, BittensorError) and _is_transport(error)):
            self._drop(used)
        return task.result()

    async def _connect_and(self, work: Work[T], used: list[bt.Client]) -> T:
        async with self._connecting:
            if self._client is None:
                self._client = await self._open()
            client = self._client
        used.append(client)
        return await work(client)

    async def _open(self) -> bt.Client:
        client = bt.Client(self.target)
        try:
            await client.connect()
            await _check_runtime(client, self._netuid)
        except BaseException:
            self._close_later(client)
            raise
        return client

    def _drop(self, used: list[bt.Client]) -> None:
        """Discard a client that failed, unless another call has already replaced it."""
        for client in used:
            if client is self._client:
                self._client = None
                self._close_later(client)

    def _close_later(self, client: bt.Client) -> None:
        task = asyncio.ensure_future(_close(client))
        self._strays.add(task)
        task.add_done_callback(self._strays.discard)

    def _unreachable(self, problem: Exception, deadline_s: float) -> Unreachable:
        return Unreachable(
            f"the chain at {self.target} cannot be reached ({_describe(problem)}; tried for {deadline_s:.0f} s): "
            "check the network, or name another endpoint with --subtensor.chain_endpoint",
            _asked_for_s(problem),
        )


async def _close(client: bt.Client) -> None:
    with suppress(BittensorError, *_TRANSPORT):
        await asyncio.wait_for(client.close(), _CLOSE_S)


async def _check_runtime(client: bt.Client, netuid: int) -> None:
    """Check the runtime: SDK 11.3 reads SubnetEpochConsensus before it sets weights; specs up to 461 lack it."""
    try:
        await client.query(("SubtensorModule", "SubnetEpochConsensus"), [netuid])
    except ValueError as error:
        spec = await client.spec_version()
        raise UnsupportedRuntime(
            f"the chain at {client.endpoint} runs spec {spec}, which lacks SubtensorModule.SubnetEpochConsensus; "
            f"bittensor {bt.__version__} needs it: use an endpoint with a newer runtime (--subtensor.chain_endpoint)"
        ) from error


def _is_transport(error: BittensorError) -> bool:
    """Return whether an error is a lost connection, which the SDK wraps as a chain error without name and code."""
    if isinstance(error, SdkChainError):
        return error.name is None and error.code is ErrorCode.UNKNOWN
    return isinstance(error, RpcConnectionError)


def _asked_for_s(problem: Exception) -> float | None:
    """Return the seconds that a busy endpoint asked the caller to wait."""
    if not isinstance(problem, RpcPolicyError) or problem.retry_after is None:
        return None
    with suppress(ValueError):
        asked_s = float(problem.retry_after)  # an HTTP date raises ValueError; no chain endpoint sends one
        return asked_s if asked_s >= 0 else None  # false for "nan" too
    return None


def _describe(problem: Exception) -> str:
    return str(problem).split("\n", 1)[0][:200] or type(problem).__name__
