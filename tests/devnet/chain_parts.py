"""What the tests of the devnet's chain share: a chain that makes a block a transaction, keys, a raw client."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

bt = pytest.importorskip("bittensor")

from bittensor.keyfiles import Keypair  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

from finest.devnet.chain.server import ChainServer  # noqa: E402

NETUID = 63
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Keys:
    """A wallet as the SDK takes it, without files."""

    name: str

    @property
    def coldkey(self) -> Any:
        return Keypair.create_from_uri(f"//{self.name}")

    coldkeypub = coldkey

    @property
    def hotkey(self) -> Any:
        return Keypair.create_from_uri(f"//{self.name}//hot")

    @property
    def cold_ss58(self) -> str:
        return self.coldkey.ss58_address

    @property
    def hot_ss58(self) -> str:
        return self.hotkey.ss58_address


ALICE, BOB, CAROL = Keys("Alice"), Keys("Bob"), Keys("Carol")


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own caches lie in the test's folder."""
    monkeypatch.setenv("BITTENSOR_RUNTIME_CACHE_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("BTCLI_TOKEN_SYMBOLS_CACHE", str(tmp_path / "symbols.json"))


@pytest.fixture
def chain(tmp_path: Path, cache: Path) -> Iterator[ChainServer]:
    """A chain where each transaction makes its own block."""
    with ChainServer(tmp_path / "chain", cache, block_s=0) as server:
        yield server


@pytest.fixture
def still(tmp_path: Path, cache: Path) -> Iterator[ChainServer]:
    """A chain whose blocks the test makes."""
    with ChainServer(tmp_path / "chain", cache, block_s=None) as server:
        yield server


def member(chain: ChainServer, keys: Keys) -> int:
    """Register somebody's hotkey."""
    return chain.register(keys.hot_ss58, keys.cold_ss58)


def raw_field(data: bytes) -> dict[str, str]:
    """A commitment's field as the SDK encodes it."""
    return {f"Raw{len(data)}" if len(data) <= 128 else "BigRaw": "0x" + data.hex()}


async def commit(client: Any, keys: Keys, *data: bytes) -> Any:
    """Commit some fields with the SDK."""
    info = {"fields": [[raw_field(one) for one in data]]}
    call = bt.calls.Commitments.set_commitment(netuid=NETUID, info=info)
    return await client.submit_call(call, keys, signer="hotkey")


_IDS = itertools.count(1)


def ask(endpoint: str, method: str, *params: Any, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
    """One request over a socket of its own: the whole answer, error or not."""
    with connect(endpoint, open_timeout=timeout_s, close_timeout=1, proxy=None) as socket:
        socket.send(json.dumps({"jsonrpc": "2.0", "id": next(_IDS), "method": method, "params": list(params)}))
        answer: dict[str, Any] = json.loads(socket.recv(timeout_s))
    return answer
