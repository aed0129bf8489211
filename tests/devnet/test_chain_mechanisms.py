"""Several mechanisms of a subnet: weights, incentive and emission of each, set and read by the SDK."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.devnet.chain.mechanisms import split_emission, storage_index
from finest.devnet.chain.server import ChainServer
from finest.devnet.chain.settle import block_emission
from finest.devnet.chain.state import RAO, Genesis
from tests.devnet.chain_parts import BOB, CAROL, NETUID, Keys, bt, isolated, member

__all__ = ["isolated"]
DAVE = Keys("Dave")
SHARE = 65_535


@pytest.fixture
def two(tmp_path: Path, cache: Path) -> Any:
    """A chain whose subnet has two mechanisms; Bob validates, Carol and Dave mine."""
    genesis = Genesis(mechanisms=2, weights_rate_limit=0)
    with ChainServer(tmp_path / "chain", cache, block_s=0, genesis=genesis) as server:
        for keys in (BOB, CAROL, DAVE):
            member(server, keys)
        server.set_stake(BOB.hot_ss58, 100)
        server.set_permit(BOB.hot_ss58, True)
        server.advance(1)
        yield server


async def weigh(client: Any, mechanism: int, uid: int) -> Any:
    return await client.execute(bt.SetWeights(netuid=NETUID, weights={uid: 1.0}, mechid=mechanism), BOB)


@given(st.integers(0, 10**15), st.integers(1, 16), st.lists(st.integers(0, SHARE), max_size=16))
def test_no_rao_is_lost_or_made(rao: int, count: int, parts: list[int]) -> None:
    """The mechanisms' shares add up to the emission, whatever the split."""
    split = parts[:count] if 0 < sum(parts[:count]) <= SHARE else None
    shares = split_emission(rao, count, split)
    assert (len(shares), sum(shares)) == (count, rao)
    assert min(shares) >= 0


def test_each_mechanism_pays_its_own_miners(two: ChainServer) -> None:
    """Carol works for mechanism 0, which gets a quarter, and Dave for mechanism 1: 1:3 of the miners' half."""
    two.set_hyperparameter("MechanismEmissionSplit", [SHARE // 4, SHARE - SHARE // 4])

    async def work() -> Any:
        async with bt.Subtensor(two.endpoint) as client:
            assert (await weigh(client, 0, 2)).success
            assert (await weigh(client, 1, 3)).success
            two.advance(20 - two.block)
            graphs = [
                await client.runtime(("SubnetInfoRuntimeApi", "get_mechagraph"), [NETUID, number])
                for number in range(3)
            ]
            weights = [await client.read("weights", netuid=NETUID, mechid=number) for number in range(2)]
            return await client.subnets.metagraph(NETUID), graphs, weights

    graph, (first, second, third), weights = asyncio.run(work())
    assert weights == [{1: {2: 1}}, {1: {3: 1}}]
    assert [list(one["incentives"]) for one in (first, second)] == [[0, 0, SHARE, 0], [0, 0, 0, SHARE]]
    assert (second["netuid"], third) == (storage_index(NETUID, 1), None)
    emission = 20 * block_emission(RAO, 11_796).both
    # The SDK's one figure of emission weighs each mechanism's by its share once more, as the runtime does.
    assert [one.emission.rao / emission for one in graph][2:] == pytest.approx([1 / 32, 9 / 32], rel=1e-3)


def test_mechanisms_that_do_not_exist_are_refused(two: ChainServer) -> None:
    """A number from MechanismCountCurrent on is no mechanism, for weights in the open or hidden."""

    async def work() -> list[str]:
        async with bt.Subtensor(two.endpoint) as client:
            plain = await weigh(client, 2, 2)
            two.set_hyperparameter("CommitRevealWeightsEnabled", True)
            return [plain.error.name, (await weigh(client, 2, 2)).error.name]

    assert asyncio.run(work()) == ["MechanismDoesNotExist"] * 2


def test_each_mechanism_has_its_own_rate_limit(two: ChainServer) -> None:
    """Weights for one mechanism leave the other free; hidden ones lie under the mechanism's own number."""
    two.set_hyperparameter("WeightsSetRateLimit", 50)
    two.set_hyperparameter("CommitRevealWeightsEnabled", True)
    two.advance(50)

    async def work() -> Any:
        async with bt.Subtensor(two.endpoint) as client:
            assert (await weigh(client, 1, 3)).success
            with pytest.raises(bt.ChainError):
                await weigh(client, 1, 3)
            hidden = [
                await client.read("timelocked_weight_commits", netuid=NETUID, mechid=number) for number in range(2)
            ]
            return (await weigh(client, 0, 2)).success, hidden

    free, (none, one) = asyncio.run(work())
    assert free
    assert (sum(map(len, none.values())), sum(map(len, one.values()))) == (0, 1)
