"""The epoch: the chain's own figures, to the rao and the u16, and what the SDK reads of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from finest.devnet.chain.epoch import Neurons, Outcome, Rules, epoch
from finest.devnet.chain.server import ChainServer
from finest.devnet.chain.settle import BlockEmission, block_emission
from finest.devnet.chain.state import RAO
from tests.devnet.chain_parts import BOB, CAROL, NETUID, Keys, bt, chain, isolated, member, still

__all__ = ["chain", "isolated", "still"]

VECTORS = json.loads(Path(__file__).with_name("yuma_vectors.json").read_text())
DAVE = Keys("Dave")
SHARE = 65_535


def row_of(weights: dict[str, int]) -> list[tuple[int, int]]:
    return [(int(uid), weight) for uid, weight in weights.items()]


def test_emission_and_bonds_are_the_chains_own() -> None:
    """Eight epochs of subtensor's own test of bonds: every emission to the rao, every named bond to the u16."""
    count = len(VECTORS["stake"])
    bonds: dict[int, list[tuple[int, int]]] = {}
    weights = {int(uid): row_of(row) for uid, row in VECTORS["initial_weights"].items()}
    for number, wanted in enumerate(VECTORS["epochs"]):
        changed = VECTORS["changes_before_epoch"].get(str(number), {})
        weights |= {int(uid): row_of(row) for uid, row in changed.items()}
        neurons = Neurons(
            VECTORS["stake"], [True] * count, [True] * count, [0] * count,
            weights=weights, weighed_at=[1] * count, bonds=bonds, bonded_at=1,
        )  # fmt: skip
        outcome = epoch(neurons, Rules(**VECTORS["parameters"]), RAO)
        bonds = outcome.bonds
        assert outcome.emission == wanted["emission_rao"]
        for one in wanted["bonds"]:
            assert dict(bonds[one["validator"]])[one["miner"]] == one["bond"]


def run(stakes: list[int], weights: dict[int, list[tuple[int, int]]], **changes: Any) -> Outcome:
    """One epoch of a million rao, all neurons registered at block 0 and all weights set at block 1."""
    count = len(stakes)
    facts: dict[str, Any] = {
        "permit": [stake > 0 for stake in stakes], "active": [True] * count, "registered_at": [0] * count,
        "weighed_at": [1] * count, "bonded_at": 1,
    }  # fmt: skip
    return epoch(Neurons(stakes, weights=weights, **(facts | changes)), Rules(), 1_000_000)


def test_a_minority_cannot_pay_its_own_miner() -> None:
    """Of 40 % of the stake for another miner nothing reaches it, and its validators lose their dividends."""
    honest, lying = [(2, SHARE)], [(3, SHARE)]
    outcome = run([60, 40, 0, 0], {0: honest, 1: lying})
    assert outcome.incentive == [0, 0, SHARE, 0]
    assert outcome.dividends == [SHARE, 0, 0, 0]
    assert outcome.validator_trust == [SHARE, 0, 0, 0]


@pytest.mark.parametrize(
    "change",
    [{"permit": [False, False, False]}, {"registered_at": [0, 0, 1]}, {"active": [False, True, True]}],
)
def test_void_weights_leave_emission_to_stake(change: dict[str, Any]) -> None:
    """Weights without a permit, on a neuron registered since, or of an inactive validator pay nobody."""
    outcome = run([100, 0, 0], {0: [(2, SHARE)]}, **change)
    assert (outcome.incentive, outcome.emission) == ([0, 0, 0], [1_000_000, 0, 0])


def test_nobody_but_the_owner_weighs_itself() -> None:
    """A validator's weight on itself is void."""
    assert run([100, 0], {0: [(0, SHARE)]}).incentive == [0, 0]
    assert run([100, 0], {0: [(0, SHARE)]}, owner=0).incentive == [SHARE, 0]


def test_most_stake_gets_the_permits() -> None:
    """As many as there are seats, and never without stake."""
    neurons = Neurons([5, 0, 9, 7], [False] * 4, [True] * 4, [0] * 4, weighed_at=[0] * 4)
    assert epoch(neurons, Rules(max_validators=2), 0).permit == [False, False, True, True]
    assert epoch(neurons, Rules(max_validators=4), 0).permit == [True, False, True, True]


def test_a_blocks_emission_is_halved_after_the_owners_cut() -> None:
    """Of one coin a block the owner has 18 %, and miners and validators 41 % each."""
    assert block_emission(RAO, 11_796) == BlockEmission(410_002_288, 410_002_288)
    assert block_emission(RAO, None).both == RAO


def test_the_sdk_reads_what_the_epoch_gave(chain: ChainServer) -> None:
    """Metagraph, neurons and bonds show one validator with two miners: 1:3 by its weights, half to itself."""
    for keys in (BOB, CAROL, DAVE):
        member(chain, keys)
    chain.set_stake(BOB.hot_ss58, 100)
    chain.set_permit(BOB.hot_ss58, True)
    chain.advance(1)

    async def weigh_and_read() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            assert (await client.execute(bt.SetWeights(netuid=NETUID, weights={2: 0.25, 3: 0.75}), BOB)).success
            chain.advance(20 - chain.block)
            graph = await client.subnets.metagraph(NETUID)
            lite = await client.runtime(("NeuronInfoRuntimeApi", "get_neurons_lite"), [NETUID])
            return graph, lite, await client.read("bonds", netuid=NETUID)

    graph, lite, bonds = asyncio.run(weigh_and_read())
    emission = 20 * block_emission(RAO, 11_796).both
    outcome = run([0, 100, 0, 0], {1: [(2, 21_845), (3, SHARE)]})
    assert [one.incentive for one in graph] == [one / SHARE for one in outcome.incentive]
    assert [one.consensus for one in graph] == [one / SHARE for one in outcome.consensus]
    assert [one.dividends for one in graph] == [0, 1, 0, 0]
    assert [one.emission.rao for one in graph] == pytest.approx(
        [0, emission / 2, emission / 8, emission * 3 / 8], rel=1e-4
    )
    assert [one["validator_trust"] for one in lite] == outcome.validator_trust
    assert bonds[1] == {2: 1, 3: 1}


def test_a_full_subnet_gives_the_worst_paid_uid_away(still: ChainServer) -> None:
    """A newcomer takes the uid with the least emission, and the weights on it are void."""
    members = {keys.name: member(still, keys) for keys in (BOB, CAROL, DAVE)}
    still.set_hyperparameter("MaxAllowedUids", 4)
    still.set_hyperparameter("ImmunityPeriod", 0)
    weights = [(members["Bob"], 9), (members["Carol"], 5), (members["Dave"], 9)]
    still.node.amend(lambda state: state.put("Weights", NETUID, 0, value=weights))
    still.node.amend(lambda state: state.put("Emission", NETUID, value=[0, 9, 5, 9]))
    assert member(still, Keys("Eve")) == members["Carol"]
    pallets = still.node.pallets_at(still.block)
    assert pallets.get("SubtensorModule", "Weights", NETUID, 0) == [(1, 9), (2, 0), (3, 9)]
    assert pallets.get("SubtensorModule", "Emission", NETUID) == [0, 9, 0, 9]
