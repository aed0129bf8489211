"""One epoch of one mechanism: consensus, incentive, bonds, dividends and emission, in the chain's own numbers.

The rules are those of pallet_subtensor's `epoch_mechanism` (Yuma consensus). All numbers are I32F32
(fixed_point.py), so that emission agrees with the chain's to the rao, and stored shares to the u16.

    weights     of validators with a permit, without those on themselves and on neurons registered since, each row one
    consensus   per neuron, the highest weight that more than half of the stake (`kappa`) gives it
    incentive   the stake's mean of the weights, each at most the consensus
    bonds       a moving average of what a validator gave each neuron, clipped likewise
    dividends   the sum of a validator's bonds, each times its neuron's incentive
    emission    half by incentive and half by dividends; by stake if there is neither

Liquid alpha, a per-bond speed of the moving average, is not implemented: a subnet has it switched off by default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from finest.devnet.chain.fixed_point import (
    BITS,
    ONE,
    U16_MAX,
    Matrix,
    divide,
    multiply,
    normalise,
    normalise_columns,
    normalise_rows,
    products,
    quotients,
    to_u16,
)

Row = Sequence[tuple[int, int]]
"""What one validator gives: pairs of a uid and a u16."""
_PER_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The subnet's settings of the epoch; the defaults are the chain's."""

    kappa: int = 32_767
    """Share of the stake that makes a majority, of 65,535."""
    bonds_moving_average: int = 900_000
    """Share of the old bonds in the new ones, in millionths."""
    bonds_penalty: int = U16_MAX
    """How far weights above the consensus are clipped for bonds, of 65,535."""
    yuma3: bool = False
    """Whether bonds are per unit of stake (Yuma 3) instead of shares of a neuron."""
    min_stake: int = 0
    """Stake in rao below which a neuron's stake counts as 0."""
    max_validators: int = 128


@dataclass(frozen=True, slots=True)
class Neurons:
    """A subnet's neurons before the epoch, in uid order; blocks are block numbers."""

    stake_rao: Sequence[int]
    permit: Sequence[bool]
    active: Sequence[bool]
    """Whether the neuron has set weights within the activity cutoff."""
    registered_at: Sequence[int]
    weights: Mapping[int, Row] = field(default_factory=dict)
    weighed_at: Sequence[int] = ()
    """The block at which each neuron last set or committed weights."""
    bonds: Mapping[int, Row] = field(default_factory=dict)
    bonded_at: int = 0
    """The block after the last epoch. Bonds on neurons registered since are void."""
    owner: int | None = None
    """Uid of the subnet's owner, who needs no permit and may weigh itself."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the epoch makes of the neurons, in uid order: shares as u16, emission in rao."""

    stake_weight: list[int]
    consensus: list[int]
    incentive: list[int]
    dividends: list[int]
    validator_trust: list[int]
    server_emission: list[int]
    validator_emission: list[int]
    emission: list[int]
    """What a neuron gets in all; rounded by itself, so it may differ from the sum of the two parts by one rao."""
    permit: list[bool]
    bonds: dict[int, list[tuple[int, int]]]


def epoch(neurons: Neurons, rules: Rules, rao: int) -> Outcome:
    """Run the epoch over an emission of `rao`."""
    count = len(neurons.stake_rao)
    permit = [given or uid == neurons.owner for uid, given in enumerate(neurons.permit)]
    stake = _stake(neurons, rules)
    active = normalise([one if on and may else 0 for one, on, may in zip(stake, neurons.active, permit, strict=True)])
    rows = sorted({uid for uid in range(count) if permit[uid]} | neurons.bonds.keys())
    power = _column([active[uid] for uid in rows])
    weights = _weights(neurons, rows, permit)
    consensus = _consensus(power, weights, divide(rules.kappa, U16_MAX))
    clipped = np.minimum(weights, consensus)
    incentive = normalise([int(one) for one in products(clipped, power).sum(axis=0, dtype=np.uint64)])
    bonded, stored = _bonds(neurons, rules, rows, power, _between(weights, clipped, rules.bonds_penalty))
    earned = products(bonded, _row(incentive)).sum(axis=1, dtype=np.uint64)
    if rules.yuma3:
        earned = products(earned, power[:, 0])
    dividends = _of_all(normalise([int(one) for one in earned]), rows, count)
    trust = _of_all([int(one) for one in clipped.sum(axis=1, dtype=np.uint64)], rows, count)
    server, validator, combined = _emission(incentive, dividends, active if any(active) else stake)
    return Outcome(
        stake_weight=[to_u16(one) for one in stake],
        consensus=[to_u16(int(one)) for one in consensus],
        incentive=[to_u16(one) for one in incentive],
        dividends=[to_u16(one) for one in dividends],
        validator_trust=[to_u16(one) for one in trust],
        server_emission=[multiply(one, rao) for one in server],
        validator_emission=[multiply(one, rao) for one in validator],
        emission=[multiply(one, rao) for one in combined],
        permit=_permits(stake, rules.max_validators),
        bonds={uid: _stored_row(row) for uid, row in zip(rows, stored, strict=True)},
    )


def _stake(neurons: Neurons, rules: Rules) -> list[int]:
    """Return each neuron's share of the stake. The runtime divides in 64 fractional bits and then drops 32."""
    kept = [rao if rao >= rules.min_stake or uid == neurons.owner else 0 for uid, rao in enumerate(neurons.stake_rao)]
    total = sum(kept)
    return [((rao << 2 * BITS) // total) >> BITS if total else 0 for rao in kept]


def _weights(neurons: Neurons, rows: list[int], permit: list[bool]) -> Matrix:
    """Return the valid weights of the validators in `rows`, each row normalised."""
    matrix = np.zeros((len(rows), len(neurons.stake_rao)), dtype=np.uint64)
    registered_at = neurons.registered_at
    for index, uid in enumerate(rows):
        if not permit[uid]:
            continue
        since = neurons.weighed_at[uid]
        for other, weight in neurons.weights.get(uid, ()):
            if (other != uid or uid == neurons.owner) and registered_at[other] < since:
                matrix[index, other] = weight
    return normalise_rows(matrix)


def _consensus(power: Matrix, weights: Matrix, majority: int) -> Matrix:
    """Return the weighted median of each column: the least weight that leaves no majority of stake above it."""
    using = power[:, 0] > 0
    if not using.any():
        return np.zeros(weights.shape[1], dtype=np.uint64)
    stake = np.array(normalise([int(one) for one in power[using, 0]]), dtype=np.uint64)
    minority = int(stake.sum(dtype=np.uint64)) - majority
    order = np.argsort(weights[using], axis=0, kind="stable")
    below = np.cumsum(stake[order], axis=0, dtype=np.uint64)
    index = np.minimum((below <= max(0, minority)).sum(axis=0), len(stake) - 1)
    picked = np.take_along_axis(order, index[None, :], axis=0)
    return np.take_along_axis(weights[using], picked, axis=0)[0]


def _between(weights: Matrix, clipped: Matrix, penalty: int) -> Matrix:
    """Return the weights for bonds, between the unclipped (penalty 0) and the clipped ones (penalty 65,535).

    The runtime rounds the negative change down, which rounds the cut up.
    """
    if penalty == U16_MAX:
        return clipped
    cut = (weights - clipped) * np.uint64(divide(penalty, U16_MAX))  # below 2**64, as the share is below one
    return weights - (cut >> np.uint64(BITS)) - ((cut & np.uint64(ONE - 1)) != 0)


def _bonds(neurons: Neurons, rules: Rules, rows: list[int], power: Matrix, given: Matrix) -> tuple[Matrix, Matrix]:
    """Return the new bonds as shares of each neuron, and as they are stored."""
    old = np.zeros_like(given)
    for index, uid in enumerate(rows):
        for other, bond in neurons.bonds.get(uid, ()):
            if neurons.registered_at[other] < neurons.bonded_at:
                old[index, other] = bond
    alpha = ONE - divide(rules.bonds_moving_average, _PER_MILLION)
    if rules.yuma3:
        new = _moved(given, quotients(old, np.uint64(U16_MAX) + np.zeros_like(old)), alpha)
        return normalise_columns(new), new
    new = normalise_columns(_moved(normalise_columns(products(given, power)), normalise_columns(old), alpha))
    return new, quotients(new, new.max(axis=0, initial=np.uint64(0)))


def _moved(new: Matrix, old: Matrix, alpha: int) -> Matrix:
    """Return the moving average."""
    return products(new, np.full_like(new, alpha)) + products(old, np.full_like(old, ONE - alpha))


def _emission(incentive: list[int], dividends: list[int], stake: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Return the shares of the emission for serving, for validating, and in all."""
    both = [one + other for one, other in zip(incentive, dividends, strict=True)]
    total = sum(both)
    if not total:
        return incentive, stake, stake
    return [divide(one, total) for one in incentive], [divide(one, total) for one in dividends], normalise(both)


def _permits(stake: list[int], seats: int) -> list[bool]:
    """Give a permit to the neurons with the most stake, if any; of equal ones to the higher uid."""
    ranked = sorted(range(len(stake)), key=lambda uid: (stake[uid], uid), reverse=True)
    chosen = set(ranked[:seats])
    return [uid in chosen and stake[uid] > 0 for uid in range(len(stake))]


def _stored_row(row: Matrix) -> list[tuple[int, int]]:
    return [(int(uid), to_u16(int(row[uid]))) for uid in np.flatnonzero(row)]


def _of_all(values: list[int], rows: list[int], count: int) -> list[int]:
    """Spread the values of some uids over all; the others have 0."""
    spread = [0] * count
    for uid, value in zip(rows, values, strict=True):
        spread[uid] = value
    return spread


def _column(values: list[int]) -> Matrix:
    return np.array(values, dtype=np.uint64).reshape(-1, 1)


def _row(values: list[int]) -> Matrix:
    return np.array(values, dtype=np.uint64).reshape(1, -1)
