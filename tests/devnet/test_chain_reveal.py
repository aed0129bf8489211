"""Hidden weights are revealed: with a real signature of drand's, or with weights that a driver knows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import bittensor_core
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.devnet.chain.metadata import read_compact
from finest.devnet.chain.reveal import Commit, Weights, read_commits, write_commits
from finest.devnet.chain.server import ChainServer
from finest.devnet.chain.state import Genesis
from tests.devnet.chain_parts import BOB, CAROL, NETUID, bt, isolated, member

__all__ = ["isolated"]

ROUND = 1000
SIGNATURE = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
"""What drand's quicknet published in round 1000, at 2023-08-23 15:56 UTC."""
ACCOUNTS = st.binary(min_size=32, max_size=32)
U16S = st.lists(st.integers(0, 65_535), max_size=300).map(tuple)
U64 = st.integers(0, 2**64 - 1)


@pytest.fixture
def hiding(tmp_path: Path, cache: Path) -> Any:
    """A chain with commit-reveal, an epoch every 10 blocks, and Bob as its validator."""
    genesis = Genesis(tempo=10, weights_rate_limit=0, commit_reveal=True)
    with ChainServer(tmp_path / "chain", cache, block_s=0, genesis=genesis) as server:
        member(server, BOB)
        member(server, CAROL)
        server.set_permit(BOB.hot_ss58, True)
        yield server


def of_bob(chain: ChainServer, item: str = "Weights", key: int = 1) -> Any:
    return chain.node.pallets_at(chain.block).get("SubtensorModule", item, NETUID, key)


def commit(chain: ChainServer, weights: Weights, reveal_round: int = ROUND) -> None:
    """Encrypt weights for a round, and commit them as the SDK does."""
    envelope, _ = bittensor_core.encrypt_at_round(weights.encode(), reveal_round)
    size, prefix = read_compact(envelope, 0)

    async def write() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            call = bt.calls.SubtensorModule.commit_timelocked_mechanism_weights(
                netuid=NETUID, mecid=0, commit=envelope[prefix : prefix + size], reveal_round=reveal_round,
                commit_reveal_version=4,
            )  # fmt: skip
            return await client.submit_call(call, BOB, signer="hotkey")

    assert asyncio.run(write()).success


def bobs(*pairs: tuple[int, int]) -> Weights:
    uids, values = zip(*pairs, strict=True)
    return Weights(bytes(bittensor_core.ss58_decode(BOB.hot_ss58)), uids, values, 0)


def test_drands_signature_opens_weights(hiding: ChainServer) -> None:
    """Real ciphertext, opened by the real signature in the epoch after its own, and not before."""
    commit(hiding, bobs((0, 20), (2, 65_535)))
    hiding.add_pulse(ROUND, SIGNATURE)
    hiding.advance(9 - hiding.block)
    assert of_bob(hiding) == []
    hiding.advance(1)
    assert of_bob(hiding) == [(0, 20), (2, 65_535)]
    assert of_bob(hiding, "TimelockedWeightCommits", 0) == []
    events = hiding.node.pallets_at(hiding.block).get("System", "Events")
    assert "TimelockedWeightsRevealed" in str(events[0])


def test_a_late_signature_opens_weights_in_the_same_epoch(hiding: ChainServer) -> None:
    """The chain tries again in each block of the epoch; after it the weights are lost."""
    commit(hiding, bobs((2, 65_535)))
    hiding.advance(15 - hiding.block)
    assert of_bob(hiding) == []
    hiding.add_pulse(ROUND, SIGNATURE)
    hiding.advance(1)
    assert of_bob(hiding) == [(2, 65_535)]


def test_weights_without_a_signature_are_lost_after_their_epoch(hiding: ChainServer) -> None:
    """Neither the signature nor the weights came in time."""
    commit(hiding, bobs((2, 65_535)))
    hiding.advance(20 - hiding.block)
    hiding.add_pulse(ROUND, SIGNATURE)
    hiding.advance(1)
    assert of_bob(hiding) == []
    assert of_bob(hiding, "TimelockedWeightCommits", 0) == []


def test_nobody_reveals_weights_in_anothers_name(hiding: ChainServer) -> None:
    """The ciphertext names its hotkey, so that a copied one opens for nobody else."""
    commit(hiding, Weights(bytes(bittensor_core.ss58_decode(CAROL.hot_ss58)), (2,), (65_535,), 0))
    hiding.add_pulse(ROUND, SIGNATURE)
    hiding.advance(10)
    assert of_bob(hiding) == []


def test_a_driver_may_know_the_weights(hiding: ChainServer) -> None:
    """The SDK's own hidden weights, whose round lies in the future, open with the weights that the driver knows."""

    async def write() -> Any:
        async with bt.Subtensor(hiding.endpoint) as client:
            return await client.execute(bt.SetWeights(netuid=NETUID, weights={2: 1.0}), BOB)

    assert asyncio.run(write()).success
    hiding.hold_weights(BOB.hot_ss58, {2: 65_535})
    hiding.advance(10)
    assert of_bob(hiding) == [(2, 65_535)]


@given(ACCOUNTS, U16S, U16S, U64)
def test_weights_are_read_as_written(account: bytes, uids: tuple[int, ...], values: tuple[int, ...], key: int) -> None:
    """And cut off anywhere, they are refused or shorter, never a crash of another kind."""
    weights = Weights(account, uids, values, key)
    data = weights.encode()
    assert Weights.decode(data) == weights
    with pytest.raises(ValueError, match=r"cut off|beyond"):
        Weights.decode(data[:-1])


@given(st.lists(st.builds(Commit, ACCOUNTS, st.integers(0, 2**32), st.binary(max_size=200), U64), max_size=12))
def test_commits_are_read_as_written(commits: list[Commit]) -> None:
    """Whatever bytes the ciphertext has."""
    assert read_commits(write_commits(commits)) == commits
