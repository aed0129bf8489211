"""Weights of a validator on the chain: the share of the subnet's emission that each miner should get.

The SDK fits the weights to the subnet's rules (largest weight, 16-bit steps). It writes them openly or time-locked
(commit-reveal: encrypted here, opened by the chain at a later drand round), as the subnet requires.

A subnet may have several mechanisms, each with weights of its own and a share of the emission. The chain keeps what
belongs to mechanism `m` under the number `m x 4096 + netuid`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import bittensor as bt
from bittensor.result import ExtrinsicResult
from bittensor.settings import GLOBAL_MAX_SUBNET_COUNT

from finest.chain.errors import ChainError, RateLimited
from finest.chain.options import ChainOptions
from finest.chain.submission import ExtrinsicRejected, Submission, explain, no_permit, not_registered
from finest.chain.view import Neuron, SubnetView, read_view
from finest.chain.wallet import Hotkey
from finest.errors import UsageError


@dataclass(frozen=True, slots=True)
class WeightsReceipt:
    """The result of setting weights."""

    block: int
    """The block that contains the weights."""
    weights: Mapping[str, float]
    """The given weights by hotkey; only their proportions count."""
    unknown: tuple[str, ...]
    """Hotkeys that are no longer registered; their weights were left out."""
    reveal_round: int | None
    """The drand round that reveals the weights; None if the subnet does not hide them."""


def storage_index(netuid: int, mechanism: int) -> int:
    """The number under which the chain keeps a mechanism's weights."""
    return mechanism * GLOBAL_MAX_SUBNET_COUNT + netuid


async def read_mechanisms(client: bt.Client, netuid: int) -> int:
    """The number of the subnet's mechanisms, at least 1."""
    return int(await client.query(("SubtensorModule", "MechanismCountCurrent"), [netuid]) or 1)


async def read_weights(client: bt.Client, netuid: int, hotkey: str, mechanism: int) -> dict[str, float]:
    """A validator's revealed weights for a mechanism, by hotkey, as shares of one; empty if it has none."""
    snapshot = await client.at()
    view = await read_view(client, netuid, snapshot)
    me = view.neuron(hotkey)
    index = storage_index(netuid, mechanism)
    stored = await snapshot.query(("SubtensorModule", "Weights"), [index, me.uid]) if me else None
    by_uid = {int(uid): int(weight) for uid, weight in stored or ()}
    whole = sum(by_uid.values())
    return {one.hotkey: by_uid[one.uid] / whole for one in view.neurons if by_uid.get(one.uid)}


@dataclass(frozen=True, slots=True)
class PendingWeights:
    """A validator's hidden weights for a mechanism."""

    hides: bool
    """Whether the subnet hides weights until they are revealed (commit-reveal)."""
    blocks: tuple[int, ...]
    """The blocks of the validator's commits that are not revealed yet."""
    last_update_block: int
    """The block at which it last set or committed weights; 0 if it is not registered."""


async def read_pending(client: bt.Client, netuid: int, hotkey: str, mechanism: int) -> PendingWeights:
    """A validator's hidden weights, all read at one block."""
    snapshot = await client.at()
    index = storage_index(netuid, mechanism)
    hides = bool(await snapshot.query(("SubtensorModule", "CommitRevealWeightsEnabled"), [netuid]))
    uid = await snapshot.query(("SubtensorModule", "Uids"), [netuid, hotkey])
    updates = list(await snapshot.query(("SubtensorModule", "LastUpdate"), [index]) or ())
    last = int(updates[int(uid)]) if uid is not None and int(uid) < len(updates) else 0
    epochs = await snapshot.read("timelocked_weight_commits", netuid=netuid, mechid=mechanism) if hides else {}
    own = (int(one["commit_block"]) for commits in epochs.values() for one in commits if one["hotkey"] == hotkey)
    return PendingWeights(hides, tuple(sorted(own)), last)


def check_weights(weights: Mapping[str, float]) -> None:
    """Raises ValueError for a negative or non-finite weight, and if no weight is above zero."""
    for hotkey, weight in weights.items():
        if not math.isfinite(weight) or weight < 0:
            raise ValueError(f"weight {weight} of hotkey {hotkey} is not a finite number of at least 0")
    if not any(weights.values()):
        raise ValueError("no weight is above zero: there is nothing to set")


async def write_weights(
    client: bt.Client,
    options: ChainOptions,
    hotkey: Hotkey,
    weights: Mapping[str, float],
    mechanism: int,
    submission: Submission,
) -> WeightsReceipt:
    """Set `weights` by hotkey for a mechanism and wait for their block."""
    await _check_mechanism(client, options, mechanism)
    await submission.wait_for_inclusion(client)
    view = await read_view(client, options.netuid)
    me = view.neuron(hotkey.address)
    if me is None:
        raise not_registered(hotkey.address, options)
    known, unknown = _by_uid(view, weights)
    last_update_block = await _last_update(client, options, me, mechanism)
    if submission.sent_at_block is not None and last_update_block > submission.sent_at_block:
        return WeightsReceipt(last_update_block, weights, unknown, None)
    if not any(known.values()):
        raise ChainError(f"no hotkey with a weight is registered on subnet {options.netuid}: there is nothing to set")
    rate_blocks = await _check_permission(client, options, view, me, last_update_block)
    version_key = await client.query(("SubtensorModule", "WeightsVersionKey"), [options.netuid])
    intent = bt.SetWeights(netuid=options.netuid, weights=known, mechid=mechanism, version_key=int(version_key or 0))
    try:
        result = await submission.send(
            client, partial(client.execute, intent, hotkey.signer, wait_for_finalization=False)
        )
    except ExtrinsicRejected as rejected:
        raise explain(rejected, "weights", hotkey.address, options, rate_blocks) from rejected
    return WeightsReceipt(_block(result), weights, unknown, result.data.get("reveal_round"))


def _by_uid(view: SubnetView, weights: Mapping[str, float]) -> tuple[dict[int, float], tuple[str, ...]]:
    known: dict[int, float] = {}
    unknown: list[str] = []
    for hotkey, weight in weights.items():
        neuron = view.neuron(hotkey)
        if neuron is None:
            unknown.append(hotkey)
        else:
            known[neuron.uid] = float(weight)
    return known, tuple(unknown)


async def _check_mechanism(client: bt.Client, options: ChainOptions, mechanism: int) -> None:
    count = await read_mechanisms(client, options.netuid)
    if not 0 <= mechanism < count:
        raise UsageError(
            f"subnet {options.netuid} has no mechanism {mechanism}; its mechanisms have the numbers 0 to {count - 1}"
        )


async def _last_update(client: bt.Client, options: ChainOptions, me: Neuron, mechanism: int) -> int:
    """The block at which the hotkey last set or committed weights for the mechanism."""
    if mechanism == 0:
        return me.last_update_block
    index = storage_index(options.netuid, mechanism)
    stored = list(await client.query(("SubtensorModule", "LastUpdate"), [index]) or ())
    return int(stored[me.uid]) if me.uid < len(stored) else 0


async def _check_permission(
    client: bt.Client, options: ChainOptions, view: SubnetView, me: Neuron, last_update_block: int
) -> int:
    """The subnet's rate limit in blocks; raises NoPermit or RateLimited if the chain would reject the weights.

    The owner of a subnet needs no permit (see subtensor's `set_weights`), so the chain decides about an owner.
    """
    if not me.validator_permit and me.hotkey != view.owner_hotkey:
        raise no_permit(me.hotkey, options)
    rate_blocks = int(await client.query(("SubtensorModule", "WeightsSetRateLimit"), [options.netuid]) or 0)
    passed = view.block - last_update_block
    if last_update_block and passed < rate_blocks:
        left = rate_blocks - passed
        raise RateLimited(
            f"weights were set {passed} blocks ago, and subnet {options.netuid} accepts them every {rate_blocks}; "
            f"try again in {left} blocks",
            left,
        )
    return rate_blocks


def _block(result: ExtrinsicResult) -> int:
    """The block of an extrinsic. Its id is the block and its index there, as in "123-0004"."""
    return int((result.extrinsic_id or "0").split("-")[0])
