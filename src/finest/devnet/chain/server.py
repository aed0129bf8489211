"""The chain's server on loopback: a WebSocket interface to `Rpc` and a block clock, in their own thread.

Clients connect to `ws://127.0.0.1:PORT`. `ws://127.0.0.1:PORT/devnet` takes the same requests, but faults do not affect
it: there another process controls the chain, and can end a freeze.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from finest.devnet import browsers
from finest.devnet.chain.clock import Clock
from finest.devnet.chain.extrinsics import RpcError
from finest.devnet.chain.faults import Faults
from finest.devnet.chain.node import Node
from finest.devnet.chain.rpc import Rpc
from finest.devnet.chain.state import Genesis
from finest.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from websockets.http11 import Request, Response

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
CONTROL = "/devnet"
START_TIMEOUT_S = 180.0
"""Longest wait for the server. The first start downloads the runtime's metadata, which takes 25 s on a fast
connection."""
CALL_TIMEOUT_S = 30.0
MAX_REQUEST_BYTES = 16 * 1024 * 1024
SUBMITS = ("author_submitExtrinsic", "author_submitAndWatchExtrinsic")


class _Session:
    """One connection; it sends messages in the order of the calls."""

    def __init__(self, connection: ServerConnection, faults: Faults) -> None:
        self.connection = connection
        self.faults = faults
        request = connection.request
        self.is_control = request is not None and request.path == CONTROL

    def push(self, method: str, subscription: str, result: Any) -> None:
        """Send a notification for a subscription."""
        params = {"subscription": subscription, "result": result}
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, message: Any) -> None:
        """Send a message at once, or late if the faults say so; drop it if the client has disconnected."""
        text = json.dumps(message)
        late_s = 0.0 if self.is_control else self.faults.stall_s
        if late_s:
            self._loop.call_later(late_s, broadcast, [self.connection], text)
        else:
            broadcast([self.connection], text)

    def soon(self, action: Callable[[], object]) -> None:
        """Run `action` after the response to the current request has been sent."""
        self._loop.call_soon(action)

    def cut(self) -> None:
        """Abort the connection without a closing handshake."""
        self.connection.transport.abort()

    def read(self, *, resume: bool) -> None:
        """Pause reading from the socket, or resume it."""
        with contextlib.suppress(RuntimeError):  # the transport is closing
            transport = self.connection.transport
            (transport.resume_reading if resume else transport.pause_reading)()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self.connection.loop


class ChainServer:
    """A chain in a folder, served on loopback by a thread. Use it as a context manager, or call `start` and `stop`.

    `block_s` is the seconds between blocks; with None only `advance` makes blocks, with 0 each transaction makes its
    own. Changes by the drivers are in the head at once, without a block. Raises LedgerError if the folder holds another
    chain or is in use, SourceError if the runtime's metadata is not available, RunError if the port is taken.
    """

    def __init__(
        self,
        folder: Path,
        cache: Path,
        *,
        netuid: int = 63,
        port: int = 0,
        block_s: float | None = 0.25,
        genesis: Genesis | None = None,
    ) -> None:
        self.folder = folder
        self.cache = cache
        self.netuid = netuid
        self.port = port
        self.faults = Faults()
        self._genesis = genesis or Genesis()
        self._clock = Clock(block_s, self.faults)
        self._sessions: set[_Session] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rpc: Rpc | None = None
        self._stop: asyncio.Event | None = None
        self._thawed: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._started = threading.Event()

    # start and stop

    def start(self) -> ChainServer:
        """Start serving; return when clients can connect."""
        self._started.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="devnet-chain", daemon=True)
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise RunError(f"the devnet's chain did not start in {START_TIMEOUT_S:.0f} s")
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop serving; the chain remains in the folder."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(CALL_TIMEOUT_S)
        self._thread = self._loop = None

    def __enter__(self) -> ChainServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The address to which clients connect."""
        return f"ws://{HOST}:{self.port}"

    @property
    def control(self) -> str:
        """The address at which another process controls the chain, unaffected by faults."""
        return self.endpoint + CONTROL

    # drivers

    @property
    def block(self) -> int:
        """The number of the head."""
        return self.node.head.number

    @property
    def node(self) -> Node:
        """The chain itself, for reading; change it only through the drivers."""
        if self._rpc is None:
            raise RunError("the devnet's chain is not running; start it first")
        return self._rpc.node

    def advance(self, blocks: int = 1) -> int:
        """Make blocks; return the number of the head."""
        head: int = self._drive("devnet_advance", blocks)
        return head

    def fund(self, ss58: str, tao: float) -> None:
        """Add TAO to an account."""
        self._drive("devnet_fund", ss58, tao)

    def register(self, hotkey_ss58: str, coldkey_ss58: str) -> int:
        """Register a hotkey for free, unless it is registered; return its uid. The subnet's owner has uid 0."""
        uid: int = self._drive("devnet_register", hotkey_ss58, coldkey_ss58)
        return uid

    def set_stake(self, hotkey: str, tao: float) -> None:
        """Set a neuron's stake on the subnet; permits follow at the next epoch."""
        self._drive("devnet_setStake", hotkey, tao)

    def set_permit(self, hotkey: str, permit: bool) -> None:
        """Grant or revoke the validator permit at once."""
        self._drive("devnet_setPermit", hotkey, permit)

    def set_hyperparameter(self, item: str, value: Any) -> None:
        """Set a storage item of the subnet by its name in the pallet: `Tempo`, `WeightsSetRateLimit`, and so on."""
        self._drive("devnet_setHyperparameter", item, value)

    def add_pulse(self, number: int, signature: str) -> None:
        """Store the signature (hex) that drand published in a round, which opens what was encrypted for it."""
        self._drive("devnet_addPulse", number, signature)

    def hold_weights(self, hotkey: str, weights: dict[int, int], mechanism: int = 0) -> None:
        """Keep the weights (u16 by uid) with which a validator's hidden ones are opened when due, as without drand
        nothing else can open them.
        """
        self._drive("devnet_holdWeights", hotkey, mechanism, list(weights.items()))

    def drop_connections(self) -> None:
        """Abort all connections."""
        self._in_loop(self._cut_all)

    def _cut_all(self) -> None:
        for session in list(self._sessions):
            session.cut()

    def _drive(self, method: str, *params: Any) -> Any:
        rpc = self._rpc
        if rpc is None:
            raise RunError("the devnet's chain is not running; start it first")
        try:
            return self._in_loop(lambda: rpc.call(_Nobody(), method, list(params)))
        except RpcError as error:
            raise RunError(f"{method}: {error.message}{f': {error.data}' if error.data else ''}") from None

    def _in_loop(self, action: Callable[[], Any]) -> Any:
        if self._loop is None:
            raise RunError("the devnet's chain is not running; start it first")

        async def act() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(CALL_TIMEOUT_S)

    # the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # the border of the thread: the starter raises it
            self._failure = error
            if self._started.is_set():
                logger.exception("the devnet's chain stopped")
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._thawed = asyncio.Event(), asyncio.Event()
        node = Node(self.folder, self.cache, self.netuid, self._genesis)
        try:
            self._rpc = Rpc(node, self.faults, at_once=self._clock.at_once)
            self.faults.listen(self._faults_changed)
            self._freeze_or_thaw()
            async with await self._listen() as server:
                self.port = server.sockets[0].getsockname()[1]
                ticking = asyncio.create_task(self._clock.run(self._rpc.make_block))
                ticking.add_done_callback(self._clock_ended)
                self._started.set()
                await self._stop.wait()
                ticking.cancel()
                self._thawed.set()
                self._cut_all()
        finally:
            self._rpc = None
            node.close()

    def _clock_ended(self, ticking: asyncio.Task[None]) -> None:
        """Stop the server if a block cannot be made: a chain that halts without a reason is useless."""
        if not ticking.cancelled() and ticking.exception() is not None and self._stop is not None:
            logger.error("the devnet's chain cannot make a block", exc_info=ticking.exception())
            self._stop.set()

    async def _listen(self) -> Server:
        try:
            return await serve(
                self._client,
                HOST,
                self.port,
                process_request=self._greet,
                max_size=MAX_REQUEST_BYTES,
                ping_interval=None,
                compression=None,
                close_timeout=1,
                open_timeout=None,
            )
        except OSError as error:
            raise RunError(f"the devnet's chain cannot listen on {HOST}:{self.port}: {error.strerror}") from None

    def _faults_changed(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._freeze_or_thaw)

    def _freeze_or_thaw(self) -> None:
        if self._thawed is None:
            return
        (self._thawed.clear if self.faults.freeze else self._thawed.set)()
        for session in self._sessions:
            if not session.is_control:
                session.read(resume=not self.faults.freeze)

    async def _thaw(self) -> None:
        if self._thawed is not None:
            await self._thawed.wait()

    async def _greet(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer the handshake: refuse web pages; refuse or delay other clients if the faults say so."""
        page = browsers.refusal(request.headers.get)
        if page is not None:
            return connection.respond(http.HTTPStatus.FORBIDDEN, f"{page}\n")
        if request.path == CONTROL:
            return None
        await self._thaw()
        if not self.faults.refuse_http:
            return None
        response = connection.respond(http.HTTPStatus(self.faults.refuse_http), "refused on demand\n")
        if self.faults.retry_after_s:
            response.headers["Retry-After"] = str(self.faults.retry_after_s)
        return response

    async def _client(self, connection: ServerConnection) -> None:
        session = _Session(connection, self.faults)
        self._sessions.add(session)
        try:
            async for text in connection:
                if not session.is_control:
                    await self._thaw()
                self._answer(session, text)
        except ConnectionClosed:
            pass
        finally:
            self._sessions.discard(session)
            if self._rpc is not None:
                self._rpc.subscriptions.forget(session)

    def _answer(self, session: _Session, text: str | bytes) -> None:
        if not session.is_control and self.faults.take("drop_next"):
            session.cut()
            return
        try:
            request = json.loads(text)
        except ValueError:
            session.send(_failed(None, RpcError(-32700, "Parse error")))
            return
        if isinstance(request, list):
            session.send([self._result(session, one) for one in request])
            return
        answer = self._result(session, request)
        if _method(request) in SUBMITS and not session.is_control and self.faults.take("lose_submits"):
            session.cut()
            return
        session.send(answer)

    def _result(self, session: _Session, request: Any) -> dict[str, Any]:
        """Return the response to one request."""
        method = _method(request)
        if method is None or self._rpc is None:
            return _failed(None, RpcError(-32600, "Invalid Request"))
        try:
            if method in SUBMITS and not session.is_control and self.faults.fail_submits:
                raise _demanded(self.faults.fail_submits.pop(0))
            result = self._rpc.call(session, method, list(request.get("params") or []))
        except RpcError as error:
            return _failed(request.get("id"), error)
        return {"jsonrpc": "2.0", "id": request.get("id"), "result": result}


class _Nobody:
    """The session for this process's own drivers, which have no connection."""

    def push(self, method: str, subscription: str, result: Any) -> None:
        """Do nothing: there is no client."""

    def soon(self, action: Callable[[], object]) -> None:
        """Run `action` now: there is no response to wait for."""
        action()


def _method(request: Any) -> str | None:
    method = request.get("method") if isinstance(request, dict) else None
    return method if isinstance(method, str) else None


def _demanded(error: dict[str, Any]) -> RpcError:
    """Return the error that a test requested."""
    return RpcError(int(error.get("code", -32000)), str(error.get("message", "refused on demand")), error.get("data"))


def _failed(request_id: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error.as_json()}
