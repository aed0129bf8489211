"""The subnet at one block: its registered neurons, their stake and their permits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import bittensor as bt
from bittensor.metagraph import MetagraphNeuron
from bittensor.snapshot import Snapshot

from finest.chain.errors import ChainError

_RAO = 10**9
"""Rao per token. One rao is the smallest unit of TAO and of a subnet's own token, alpha."""


@dataclass(frozen=True, slots=True)
class Neuron:
    """A registered neuron of the subnet."""

    uid: int
    hotkey: str
    coldkey: str
    stake_alpha: float
    """Total stake weight in the subnet's own token; validator permits go to the highest ones."""
    validator_permit: bool
    registration_block: int
    last_update_block: int
    """The block at which it last set or committed weights."""


@dataclass(frozen=True, slots=True)
class SubnetView:
    """All neurons of a subnet at one block. It never changes; `age_s` and `age_blocks` give its current age."""

    netuid: int
    block: int
    tempo_blocks: int
    owner_hotkey: str
    block_time_s: float
    neurons: tuple[Neuron, ...]
    read_at_s: float = field(repr=False)
    """The time of the read, on this machine's monotonic clock."""
    _by_hotkey: Mapping[str, Neuron] = field(repr=False, compare=False)

    def neuron(self, hotkey: str) -> Neuron | None:
        """The neuron of a hotkey; None if it is not registered."""
        return self._by_hotkey.get(hotkey)

    @property
    def age_s(self) -> float:
        """Seconds since the read."""
        return time.monotonic() - self.read_at_s

    @property
    def age_blocks(self) -> int:
        """Estimated number of blocks that the chain has made since the read, from its block time."""
        return int(self.age_s / self.block_time_s)


async def read_view(client: bt.Client, netuid: int, snapshot: Snapshot | None = None) -> SubnetView:
    """The subnet at the snapshot's block (default: the newest); raises ChainError if the subnet does not exist."""
    read_at_s = time.monotonic()
    snapshot = snapshot or await client.at()
    graph = await snapshot.subnets.metagraph(netuid, commitments=False)
    if graph is None:
        raise ChainError(f"subnet {netuid} does not exist on {client.endpoint}: check --netuid and --subtensor.network")
    neurons = tuple(_neuron(row) for row in graph)
    return SubnetView(
        netuid=netuid,
        block=snapshot.block,
        tempo_blocks=graph.tempo,
        owner_hotkey=graph.owner_hotkey,
        block_time_s=await client.block_time(),
        neurons=neurons,
        read_at_s=read_at_s,
        _by_hotkey={neuron.hotkey: neuron for neuron in neurons},
    )


def _neuron(row: MetagraphNeuron) -> Neuron:
    return Neuron(
        uid=row.uid,
        hotkey=row.hotkey,
        coldkey=row.coldkey,
        stake_alpha=row.total_stake.rao / _RAO,
        validator_permit=bool(row.validator_permit),
        registration_block=int(row.block_at_registration or 0),
        last_update_block=int(row.last_update or 0),
    )
