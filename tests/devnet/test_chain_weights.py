"""Weights: plain, committed, too soon, without a permit, and on a runtime that lacks an entry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from finest.devnet.chain.server import ChainServer
from finest.devnet.chain.state import Genesis
from tests.devnet.chain_parts import BOB, CAROL, NETUID, Keys, bt, chain, isolated, member

__all__ = ["chain", "isolated"]


@pytest.fixture
def free(chain: ChainServer) -> ChainServer:
    """A chain with Bob as a validator who may set weights as often as he likes."""
    member(chain, BOB)
    member(chain, CAROL)
    chain.set_permit(BOB.hot_ss58, True)
    chain.set_hyperparameter("WeightsSetRateLimit", 0)
    return chain


async def set_weights(client: Any, keys: Keys, weights: dict[int, float]) -> Any:
    return await client.execute(bt.SetWeights(netuid=NETUID, weights=weights), keys)


def raw_weights(version_key: int = 0, **changes: Any) -> Any:
    plain = {"netuid": NETUID, "mecid": 0, "dests": [1, 2], "weights": [9, 9], "version_key": version_key}
    return bt.calls.SubtensorModule.set_mechanism_weights(**(plain | changes))


def test_plain_weights_are_set(free: ChainServer) -> None:
    """Weights are in storage as the runtime scales them, and the neuron's last update is their block."""

    async def write() -> Any:
        async with bt.Subtensor(free.endpoint) as client:
            result = await set_weights(client, BOB, {1: 0.25, 2: 0.5})
            return result, await client.subnets.metagraph(NETUID)

    result, graph = asyncio.run(write())
    assert result.success
    assert graph.neuron(1).last_update == free.block
    assert free.node.pallets_at(free.block).get("SubtensorModule", "Weights", NETUID, 1) == [(1, 32768), (2, 65535)]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"weights": [9]}, "WeightVecNotEqualSize"),
        ({"dests": [1, 1]}, "DuplicateUids"),
        ({"dests": [1, 9]}, "UidVecContainInvalidOne"),
        ({"dests": [0, 1, 2, 3], "weights": [1, 1, 1, 1]}, "UidsLengthExceedUidsInSubNet"),
        ({"mecid": 1}, "MechanismDoesNotExist"),
    ],
)
def test_wrong_weights_are_refused_by_name(free: ChainServer, change: dict[str, Any], wanted: str) -> None:
    """Each thing that is wrong with a call has the pallet's own error."""

    async def write() -> Any:
        async with bt.Subtensor(free.endpoint) as client:
            return await client.submit_call(raw_weights(**change), BOB, signer="hotkey")

    result = asyncio.run(write())
    assert (result.success, result.error.name) == (False, wanted)


def test_hyperparameters_are_held(free: ChainServer) -> None:
    """Version key, least number and greatest share of weights."""
    free.set_hyperparameter("WeightsVersionKey", 5)
    free.set_hyperparameter("MinAllowedWeights", 2)

    async def write() -> list[Any]:
        async with bt.Subtensor(free.endpoint) as client:
            calls = [raw_weights(), raw_weights(5, dests=[2], weights=[1]), raw_weights(5)]
            results = [await client.submit_call(call, BOB, signer="hotkey") for call in calls]
            free.set_hyperparameter("MaxWeightsLimit", 20000)
            results.append(await client.submit_call(raw_weights(5), BOB, signer="hotkey"))
            return [result.error.name if result.error else None for result in results]

    assert asyncio.run(write()) == ["IncorrectWeightVersionKey", "WeightVecLengthIsLow", None, "MaxWeightExceeded"]


def test_too_soon_is_told_before_and_after_signing(free: ChainServer) -> None:
    """Inside the rate limit the SDK's preflight raises, and the chain refuses a call that skips it."""

    async def write() -> Any:
        async with bt.Subtensor(free.endpoint) as client:
            assert (await set_weights(client, BOB, {1: 1.0})).success
            free.set_hyperparameter("WeightsSetRateLimit", 10)
            with pytest.raises(bt.ChainError) as caught:
                await set_weights(client, BOB, {1: 1.0})
            refused = await client.submit_call(raw_weights(), BOB, signer="hotkey")
            free.advance(10)
            return caught.value.code, refused.error.name, (await set_weights(client, BOB, {1: 1.0})).success

    code, name, later = asyncio.run(write())
    assert (code.value, name, later) == ("rate_limited", "SettingWeightsTooFast", True)


def test_no_permit_no_weights(free: ChainServer) -> None:
    """Without a permit only the own uid can be weighed."""

    async def write() -> Any:
        async with bt.Subtensor(free.endpoint) as client:
            refused = await set_weights(client, CAROL, {1: 1.0})
            return refused.error.name, (await set_weights(client, CAROL, {2: 1.0})).success

    assert asyncio.run(write()) == ("NeuronNoValidatorPermit", True)


def test_a_permit_comes_with_stake_at_the_next_epoch(still_member: ChainServer) -> None:
    """Stake alone gives no permit until the epoch has run; a pinned permit outlives epochs."""
    still_member.set_stake(BOB.hot_ss58, 100)
    permits = []
    for _ in range(2):
        permits.append(still_member.node.pallets_at(still_member.block).get("SubtensorModule", "ValidatorPermit", 63))
        still_member.advance(20)
    still_member.set_permit(BOB.hot_ss58, False)
    still_member.advance(20)
    permits.append(still_member.node.pallets_at(still_member.block).get("SubtensorModule", "ValidatorPermit", 63))
    assert permits == [[False, False], [False, True], [False, False]]


@pytest.fixture
def still_member(tmp_path: Path, cache: Path) -> Any:
    with ChainServer(tmp_path / "still", cache, block_s=None) as server:
        member(server, BOB)
        yield server


def test_committed_weights_are_sealed(free: ChainServer) -> None:
    """With commit-reveal the SDK seals the weights: they are stored, dated, and not to be seen."""
    free.set_hyperparameter("CommitRevealWeightsEnabled", True)

    async def write() -> Any:
        async with bt.Subtensor(free.endpoint) as client:
            plain = await client.submit_call(raw_weights(), BOB, signer="hotkey")
            return plain.error.name, await set_weights(client, BOB, {1: 1.0})

    name, result = asyncio.run(write())
    pallets = free.node.pallets_at(free.block)
    ((who, block, _sealed, reveal_round),) = pallets.get("SubtensorModule", "TimelockedWeightCommits", NETUID, 0)
    assert (name, result.success) == ("CommitRevealEnabled", True)
    assert (who, block, reveal_round) == (BOB.hot_ss58, free.block, result.data["reveal_round"])
    assert pallets.get("SubtensorModule", "Weights", NETUID, 1) == []


def test_unrevealed_commits_are_few_and_expire(free: ChainServer) -> None:
    """Ten sealed commits at most; they are gone when their time to be opened is over."""
    free.set_hyperparameter("CommitRevealWeightsEnabled", True)

    async def write() -> Any:
        async with bt.Subtensor(free.endpoint) as client:
            ten = [(await set_weights(client, BOB, {1: 1.0})).success for _ in range(10)]
            over = await set_weights(client, BOB, {1: 1.0})
            free.advance(40)
            return ten, over.error.name, (await set_weights(client, BOB, {1: 1.0})).success

    ten, name, later = asyncio.run(write())
    assert (all(ten), name, later) == (True, "TooManyUnrevealedCommits", True)


def test_commits_need_commit_reveal(free: ChainServer) -> None:
    """A sealed commit on a subnet without commit-reveal is refused, and one of another version with it."""
    sealed = {"netuid": NETUID, "mecid": 0, "commit": b"x" * 9, "reveal_round": 5}

    async def write() -> list[str]:
        async with bt.Subtensor(free.endpoint) as client:
            names = []
            for version in (4, 3):
                call = bt.calls.SubtensorModule.commit_timelocked_mechanism_weights(
                    **sealed, commit_reveal_version=version
                )
                result = await client.submit_call(call, BOB, signer="hotkey")
                names.append(result.error.name)
                free.set_hyperparameter("CommitRevealWeightsEnabled", True)
            return names

    assert asyncio.run(write()) == ["CommitRevealDisabled", "IncorrectCommitRevealVersion"]


def test_a_runtime_without_epoch_consensus_is_told(tmp_path: Path, cache: Path) -> None:
    """Where the runtime lacks `SubnetEpochConsensus`, reading it is a ValueError, and `SetWeights` cannot be used."""

    async def probe(endpoint: str) -> Any:
        async with bt.Subtensor(endpoint) as client:
            return await client.query(("SubtensorModule", "SubnetEpochConsensus"), [NETUID])

    with ChainServer(tmp_path / "new", cache, block_s=0) as server:
        assert asyncio.run(probe(server.endpoint)) == 0
    with ChainServer(tmp_path / "old", cache, block_s=0, genesis=Genesis(epoch_consensus=False)) as server:
        with pytest.raises(ValueError, match="SubnetEpochConsensus"):
            asyncio.run(probe(server.endpoint))
