"""The end of a tempo: run the epoch of every mechanism, and store what it gives as the runtime does.

An epoch divides what the subnet emitted since the last one, without the owner's cut. The devnet records every neuron's
part under `Emission` but does not add it to the stakes: on a chain of a few neurons, each paid miner would otherwise
hold enough stake for a validator's permit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from finest.devnet.chain.epoch import Neurons, Outcome, Rules, epoch
from finest.devnet.chain.fixed_point import BITS, U16_MAX
from finest.devnet.chain.mechanisms import split_emission, storage_index

if TYPE_CHECKING:
    from finest.devnet.chain.state import Neuron, State

_SUMS = ("stake_weight", "consensus", "dividends", "validator_trust", "emission")
_ITEMS = {
    "stake_weight": "StakeWeight",
    "consensus": "Consensus",
    "dividends": "Dividends",
    "validator_trust": "ValidatorTrust",
    "emission": "Emission",
}


@dataclass(frozen=True, slots=True)
class BlockEmission:
    """The emission of a subnet in one block, in rao of its own coin."""

    servers: int
    validators: int

    @property
    def both(self) -> int:
        """The part that epochs divide."""
        return self.servers + self.validators


def block_emission(rao: int, owner_cut: int | None) -> BlockEmission:
    """Divide a block's emission: the owner's cut (in parts of 65,535) first, then one half each.

    There is no stake on the root network here, so nobody there has a part.
    """
    cut = rao * ((owner_cut << BITS) // U16_MAX) if owner_cut is not None else 0
    rest = (rao << BITS) - cut
    half = rest >> 1
    return BlockEmission(half >> BITS, (rest - half) >> BITS)


def settle(state: State, found: list[Neuron], blocks: int) -> list[bool]:
    """Run the epoch over the emission of the last `blocks` blocks, store it, and return who gets a permit by stake."""
    netuid, count = state.netuid, state.mechanisms
    cut = state.get("SubnetOwnerCut") if state.get("OwnerCutEnabled", netuid) else None
    rao = block_emission(state.get("BlockEmission"), cut).both * blocks
    rules, facts = _rules(state), _Facts.of(state, found)
    whole = _Whole()
    for mechanism, share in enumerate(split_emission(rao, count, state.get("MechanismEmissionSplit", netuid))):
        neurons = _neurons(state, facts, mechanism)
        outcome = epoch(neurons, rules, share)
        _store_mechanism(state, storage_index(netuid, mechanism), outcome)
        whole.add(neurons, outcome, _weight(share, rao, mechanism))
    for name, item in _ITEMS.items():
        state.put(item, netuid, value=whole.sums[name])
    state.put("Active", netuid, value=whole.active)
    state.put("LastMechansimStepBlock", netuid, value=state.block)
    return whole.permit


@dataclass(slots=True)
class _Whole:
    """The neurons' values over all mechanisms, each weighted by its share of the emission."""

    sums: dict[str, list[int]] = field(default_factory=dict)
    active: list[bool] = field(default_factory=list)
    """Whether a neuron is active in any of them."""
    permit: list[bool] = field(default_factory=list)

    def add(self, neurons: Neurons, outcome: Outcome, weight: int) -> None:
        """Add a mechanism; `weight` has 64 fractional bits, and every sum is rounded down."""
        for name in _SUMS:
            values = getattr(outcome, name)
            before = self.sums.get(name, [0] * len(values))
            self.sums[name] = [old + (new * weight >> 2 * BITS) for old, new in zip(before, values, strict=True)]
        before_active = self.active or [False] * len(neurons.active)
        self.active = [one or other for one, other in zip(before_active, neurons.active, strict=True)]
        self.permit = outcome.permit


def _weight(share: int, whole: int, mechanism: int) -> int:
    """Return a mechanism's share of the emission; if nothing is emitted, the first mechanism counts alone."""
    return (share << 2 * BITS) // whole if whole else (mechanism == 0) << 2 * BITS


def _rules(state: State) -> Rules:
    netuid = state.netuid
    return Rules(
        kappa=state.get("Kappa", netuid),
        bonds_moving_average=state.get("BondsMovingAverage", netuid),
        bonds_penalty=state.get("BondsPenalty", netuid),
        yuma3=state.get("Yuma3On", netuid),
        min_stake=state.get("StakeThreshold"),
        max_validators=state.get("MaxAllowedValidators", netuid),
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts about a subnet that all its mechanisms share."""

    found: list[Neuron]
    owner: int | None
    bonded_at: int
    activity_blocks: int

    @classmethod
    def of(cls, state: State, found: list[Neuron]) -> _Facts:
        last, tempo = state.get("LastMechansimStepBlock", state.netuid), state.get("Tempo", state.netuid)
        return cls(
            found=found,
            owner=state.uid(state.get("SubnetOwnerHotkey", state.netuid)),
            bonded_at=last + 1 if last else max(0, state.block - tempo),
            activity_blocks=state.get("ActivityCutoff", state.netuid),
        )


def _neurons(state: State, facts: _Facts, mechanism: int) -> Neurons:
    index = storage_index(state.netuid, mechanism)
    updates = state.last_updates(mechanism)
    return Neurons(
        stake_rao=[neuron.stake for neuron in facts.found],
        permit=[neuron.permit for neuron in facts.found],
        active=[at + facts.activity_blocks >= state.block for at in updates],
        registered_at=[neuron.registered_at for neuron in facts.found],
        weights=_rows(state.pallets.map("SubtensorModule", "Weights", index)),
        weighed_at=updates,
        bonds=_rows(state.pallets.map("SubtensorModule", "Bonds", index)),
        bonded_at=facts.bonded_at,
        owner=facts.owner,
    )


def _rows(stored: dict[Any, Any]) -> dict[int, list[tuple[int, int]]]:
    return {int(uid): row for uid, row in stored.items() if row}


def _store_mechanism(state: State, index: int, outcome: Outcome) -> None:
    """Store a mechanism's incentive, and the bonds of all who keep a permit."""
    state.put("Incentive", index, value=outcome.incentive)
    for uid, row in outcome.bonds.items():
        state.put("Bonds", index, uid, value=row if outcome.permit[uid] else [])


def empty_items(netuid: int, mechanisms: int) -> Iterator[tuple[str, int]]:
    """Yield the lists of one number per neuron that a new neuron begins with 0 in, and their index."""
    yield from ((item, netuid) for item in _ITEMS.values())
    yield from (("Incentive", storage_index(netuid, mechanism)) for mechanism in range(mechanisms))
