"""A task server for tests: the real application behind a real uvicorn in a thread, over a subnet made by hand."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import uvicorn
from bittensor.keyfiles import Keypair

from finest.chain.auth import sign_request
from finest.chain.commitments import ChainCommitment, Commitments
from finest.chain.errors import Unreachable
from finest.chain.payload import decode
from finest.chain.view import Neuron, SubnetView
from finest.chain.wallet import Hotkey
from finest.tasks.app import create_app
from finest.tasks.connections import Connections
from finest.tasks.http_timeouts import LimitedHttpProtocol
from finest.tasks.models import Rules
from finest.tasks.rate_limits import RateLimits
from finest.tasks.store import Store

NETUID = 63
BLOCK = 1000
QUICK = RateLimits(per_hotkey=10**6, per_address=10**6, read_bytes_s=10**9)
START_S = 30.0
SEND_BYTES = 64 * 1024
"""What the kernel holds of an answer that a client does not read; by itself it takes up to 4 MB."""


@dataclass
class _Wallet:
    """What a Hotkey holds: of a wallet, only the hotkey is ever used."""

    hotkey: Keypair


def hotkey(name: str) -> Hotkey:
    """The key that a name always has."""
    return Hotkey(_Wallet(Keypair.create_from_uri(f"//{name}")))  # type: ignore[arg-type]


SERVER = hotkey("Server")


def neuron(uid: int, key: str, *, permit: bool = False, stake: float = 0.0) -> Neuron:
    return Neuron(uid, key, f"cold of {key}", stake, permit, registration_block=1, last_update_block=1)


@dataclass
class MadeSubnet:
    """A subnet that says what it is told to; its block time makes a test's clock stand still."""

    neurons: list[Neuron] = field(default_factory=list)
    lines: list[ChainCommitment] = field(default_factory=list)
    block: int = BLOCK
    away: bool = False
    looks: int = 0
    reads: int = 0
    age_s: float = 0.0
    block_time_s: float = 1e6

    def view(self, *, max_age_s: float | None = None) -> SubnetView:
        self.looks += 1
        if self.away:
            raise Unreachable("the chain is away")
        seats = {one.hotkey: one for one in self.neurons}
        read_at_s = time.monotonic() - self.age_s
        return SubnetView(NETUID, self.block, 360, "owner", self.block_time_s, tuple(self.neurons), read_at_s, seats)

    def commitments(self) -> Commitments:
        self.reads += 1
        if self.away:
            raise Unreachable("the chain is away")
        return Commitments(self.block, tuple(self.lines), {})

    def block_hash(self, number: int) -> str:
        if self.away:
            raise Unreachable("the chain is away")
        return "0x" + hashlib.sha256(str(number).encode()).hexdigest()

    def register(self, *keys: Hotkey, permit: bool = False, stake: float = 0.0) -> None:
        for key in keys:
            self.neurons.append(neuron(len(self.neurons), key.address, permit=permit, stake=stake))

    def commit(self, key: Hotkey, line: str, block: int | None = None) -> None:
        commitment = decode(line)
        assert commitment
        kept = [one for one in self.lines if one.hotkey != key.address]
        self.lines = [*kept, ChainCommitment(key.address, 0, self.block if block is None else block, commitment)]


@dataclass
class Server:
    """A running server and how to ask it."""

    url: str
    subnet: MadeSubnet
    store: Store
    connections: Connections

    def ask(
        self, method: str, target: str, body: Any = None, *, by: Hotkey | None = None, receiver: str = SERVER.address,
        headers: dict[str, str] | None = None, data: bytes | None = None,
    ) -> requests.Response:  # fmt: skip
        """One request, signed by `by`; `data` is sent where it is not what was signed."""
        signed = b"" if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"}
        if by:
            sent |= sign_request(by, method=method, target=target, body=signed, receiver=receiver)
        with requests.Session() as session:
            session.trust_env = False
            content = signed if data is None else data
            return session.request(method, self.url + target, data=content, headers=sent | (headers or {}), timeout=60)

    def post(self, target: str, body: Any = None, *, by: Hotkey) -> Any:
        """The answer to a signed request that must succeed."""
        answer = self.ask("POST", target, body, by=by)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The application behind uvicorn, on a free port of loopback."""
    config = uvicorn.Config(
        app, http=LimitedHttpProtocol, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=5,
        proxy_headers=False,
        backlog=4096,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + START_S
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_S)


@contextmanager
def serving(store: Store, rules: Rules, subnet: MadeSubnet | None = None, **settings: Any) -> Iterator[Server]:
    """The application over `store`."""
    subnet = subnet or MadeSubnet()
    app = create_app(store, subnet, SERVER.address, rules, **{"rates": QUICK, **settings})
    with listening(app) as url:
        yield Server(url, subnet, store, app.state.connections)


def wait_for(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Fail where it does not come true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
