"""What a validator thinks of the miners, written: the share of the subnet's emission that each should get.

The SDK fits the weights to the subnet's rules (largest weight, 16-bit steps) and writes them openly or time-locked
(commit-reveal: encrypted here, opened by the chain at a later drand round), as the subnet demands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import bittensor as bt
from bittensor.result import ExtrinsicResult

from finest.chain.errors import ChainError, RateLimited
from finest.chain.options import ChainOptions
from finest.chain.submission import ExtrinsicRejected, Submission, explain, no_permit, not_registered
from finest.chain.view import Neuron, SubnetView, read_view
from finest.chain.wallet import Hotkey


@dataclass(frozen=True, slots=True)
class WeightsReceipt:
    """What became of a set of weights."""

    block: int
    """The block that holds them."""
    weights: Mapping[str, float]
    """By hotkey, as they were given; only their proportions count."""
    unknown: tuple[str, ...]
    """Hotkeys that have no seat any more; their weight was left out."""
    reveal_round: int | None
    """The drand round that opens them, where the subnet hides weights at first."""


async def read_weights(client: bt.Client, netuid: int, hotkey: str) -> dict[str, float]:
    """A validator's weights that stand openly on the chain, by hotkey, as shares of one; empty where there are none."""
    snapshot = await client.at()
    view = await read_view(client, netuid, snapshot)
    me = view.neuron(hotkey)
    stored = await snapshot.query(("SubtensorModule", "Weights"), [netuid, me.uid]) if me else None
    by_uid = {int(uid): int(weight) for uid, weight in stored or ()}
    whole = sum(by_uid.values())
    return {one.hotkey: by_uid[one.uid] / whole for one in view.neurons if by_uid.get(one.uid)}


def check_weights(weights: Mapping[str, float]) -> None:
    """Raises ValueError for a weight that is negative or no number, or when none is above zero."""
    for hotkey, weight in weights.items():
        if not math.isfinite(weight) or weight < 0:
            raise ValueError(f"weight {weight} of hotkey {hotkey} is no finite number from 0 up")
    if not any(weights.values()):
        raise ValueError("no weight is above zero: there is nothing to set")


async def write_weights(
    client: bt.Client, options: ChainOptions, hotkey: Hotkey, weights: Mapping[str, float], submission: Submission
) -> WeightsReceipt:
    """Set `weights`, given by hotkey, and wait for their block."""
    await submission.wait_for_inclusion(client)
    view = await read_view(client, options.netuid)
    me = view.neuron(hotkey.address)
    if me is None:
        raise not_registered(hotkey.address, options)
    known, unknown = _by_uid(view, weights)
    if submission.sent_at_block is not None and me.last_update_block > submission.sent_at_block:
        return WeightsReceipt(me.last_update_block, weights, unknown, None)
    if not any(known.values()):
        raise ChainError(f"no hotkey with a weight is registered on subnet {options.netuid}: there is nothing to set")
    rate_blocks = await _check_permission(client, options, view, me)
    version_key = await client.query(("SubtensorModule", "WeightsVersionKey"), [options.netuid])
    intent = bt.SetWeights(netuid=options.netuid, weights=known, version_key=int(version_key or 0))
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


async def _check_permission(client: bt.Client, options: ChainOptions, view: SubnetView, me: Neuron) -> int:
    """The subnet's rate limit in blocks; raises NoPermit or RateLimited where the chain would say no.

    The owner of a subnet needs no permit (subtensor's `set_weights`); the chain decides there.
    """
    if not me.validator_permit and me.hotkey != view.owner_hotkey:
        raise no_permit(me.hotkey, options)
    rate_blocks = int(await client.query(("SubtensorModule", "WeightsSetRateLimit"), [options.netuid]) or 0)
    passed = view.block - me.last_update_block
    if me.last_update_block and passed < rate_blocks:
        left = rate_blocks - passed
        raise RateLimited(
            f"weights were set {passed} blocks ago and subnet {options.netuid} takes them every {rate_blocks}; "
            f"try again in {left} blocks",
            left,
        )
    return rate_blocks


def _block(result: ExtrinsicResult) -> int:
    """An extrinsic's id is its block and its place in it: "123-0004"."""
    return int((result.extrinsic_id or "0").split("-")[0])
