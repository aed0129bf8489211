"""Fixtures of all tests on a devnet's chain: the chain, keys on it, and the product's own client over the SDK."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from finest.chain.options import ChainOptions

if TYPE_CHECKING:
    from finest.chain.subnet import Chain
    from finest.devnet.chain.server import ChainServer

BLOCK_S = 0.1
RATE_LIMIT_BLOCKS = 100
MakeKey = Callable[..., ChainOptions]
_names = (f"hot{number}" for number in itertools.count())


@pytest.fixture
def own_sdk_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK keeps metadata and token symbols in the home folder; tests have their own."""
    folder = tmp_path_factory.getbasetemp() / "sdk-cache"
    monkeypatch.setenv("BITTENSOR_RUNTIME_CACHE_DIR", str(folder))
    monkeypatch.setenv("BTCLI_TOKEN_SYMBOLS_CACHE", str(folder / "symbols.json"))


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ChainServer]:
    pytest.importorskip("bittensor")
    from finest.devnet.chain.server import ChainServer
    from finest.devnet.chain.state import Genesis

    genesis = Genesis(tempo=10_000, weights_rate_limit=RATE_LIMIT_BLOCKS)
    with ChainServer(tmp_path_factory.mktemp("chain"), cache, block_s=BLOCK_S, genesis=genesis) as running:
        running.advance(2)
        yield running


@pytest.fixture
def server(shared_server: ChainServer, own_sdk_caches: None) -> Iterator[ChainServer]:
    """The chain, without faults at first."""
    yield shared_server
    shared_server.faults.clear()


@pytest.fixture(scope="session")
def wallets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import bittensor as bt

    folder = tmp_path_factory.mktemp("wallets")
    bt.Wallet("cold", path=str(folder)).create_new_coldkey(use_password=False, suppress=True)
    return folder


@pytest.fixture
def make_key(server: ChainServer, wallets: Path) -> MakeKey:
    """A new hotkey, with or without a seat and a permit, and the options that name it."""
    import bittensor as bt

    def make(*, registered: bool = True, permit: bool = False) -> ChainOptions:
        name = next(_names)
        wallet = bt.Wallet("cold", name, str(wallets)).create_new_hotkey(suppress=True)
        if registered:
            server.register(wallet.hotkey.ss58_address, wallet.coldkeypub.ss58_address)
        if permit:
            server.set_permit(wallet.hotkey.ss58_address, permit=True)
        return ChainOptions(
            netuid=server.netuid, wallet_name="cold", wallet_hotkey=name, wallet_path=wallets, network=server.endpoint
        )

    return make


@pytest.fixture
def open_chain(own_sdk_caches: None) -> Iterator[Callable[..., Chain]]:
    """Chains that are closed at the end, with deadlines for a chain of ten blocks a second."""
    from finest.chain.subnet import Chain

    opened: list[Chain] = []

    def make(options: ChainOptions, **changes: float) -> Chain:
        opened.append(Chain(options, **{"read_deadline_s": 5.0, "submit_deadline_s": 20.0, **changes}))
        return opened[-1]

    yield make
    for chain in opened:
        chain.close()
