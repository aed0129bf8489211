"""Hidden weights (commit-reveal): how they are stored, and how they are opened when their time has come.

A validator encrypts its weights for a later round of drand, a public beacon; the signature that drand publishes in that
round is the key. As on the chain, weights are opened at the start of the epoch that lies `RevealPeriodEpochs` after
theirs, or later in that epoch if the round's signature comes late, and are lost after it.

drand cannot be asked on a machine without a network. The devnet therefore opens weights by either of two means, both
of which a test driver provides: the signature of a round (`devnet_addPulse`), or the weights themselves, which the
driver knows because it is on the validator's side (`devnet_holdWeights`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bittensor_core

from finest.devnet.chain.mechanisms import storage_index
from finest.devnet.chain.metadata import compact, read_compact
from finest.devnet.chain.storage import PALLET
from finest.devnet.chain.weights import DispatchError, set_weights

if TYPE_CHECKING:
    from finest.devnet.chain.state import State

_ACCOUNT, _U64 = 32, 8
_HELD = b"finest:weights:"


@dataclass(frozen=True, slots=True)
class Commit:
    """Hidden weights as the chain stores them."""

    account: bytes
    block: int
    sealed: bytes
    reveal_round: int

    @property
    def hotkey(self) -> str:
        """The validator's ss58 address."""
        return str(bittensor_core.ss58_encode(self.account))


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights as they are encrypted, and the hotkey that committed them."""

    account: bytes
    uids: tuple[int, ...]
    values: tuple[int, ...]
    version_key: int

    def encode(self) -> bytes:
        """Return the SCALE bytes: three lists and a u64."""
        rows = (b"".join(one.to_bytes(2, "little") for one in row) for row in (self.uids, self.values))
        uids, values = (compact(len(row) // 2) + row for row in rows)
        return compact(len(self.account)) + self.account + uids + values + self.version_key.to_bytes(_U64, "little")

    @classmethod
    def decode(cls, data: bytes) -> Weights:
        """Read SCALE bytes; raise ValueError if they are too short."""
        size, at = read_compact(data, 0)
        account, at = data[at : at + size], at + size
        rows = []
        for _ in range(2):
            count, prefix = read_compact(data, at)
            row, at = data[at + prefix : at + prefix + 2 * count], at + prefix + 2 * count
            rows.append(tuple(int.from_bytes(row[place : place + 2], "little") for place in range(0, len(row), 2)))
        if len(data) < at + _U64:
            raise ValueError("weights cut off")
        return cls(account, rows[0], rows[1], int.from_bytes(data[at : at + _U64], "little"))


def read_commits(data: bytes) -> list[Commit]:
    """Read the commits of one epoch from their own bytes; decoding would alter ciphertext that spells a text."""
    count, at = read_compact(data, 0)
    found = []
    for _ in range(count):
        account, at = data[at : at + _ACCOUNT], at + _ACCOUNT
        block, at = int.from_bytes(data[at : at + _U64], "little"), at + _U64
        size, prefix = read_compact(data, at)
        sealed, at = data[at + prefix : at + prefix + size], at + prefix + size
        found.append(Commit(account, block, sealed, int.from_bytes(data[at : at + _U64], "little")))
        at += _U64
    return found


def write_commits(commits: Iterable[Commit]) -> bytes:
    """Return the bytes of the commits of one epoch."""
    items = [
        one.account + one.block.to_bytes(_U64, "little") + compact(len(one.sealed)) + one.sealed
        + one.reveal_round.to_bytes(_U64, "little")
        for one in commits
    ]  # fmt: skip
    return compact(len(items)) + b"".join(items)


def hold_weights(state: State, mechanism: int, weights: Weights) -> None:
    """Keep the weights with which a validator's next due commit for a mechanism is opened."""
    state.pallets.overlay.changes[_held_key(state.netuid, mechanism, weights.account)] = weights.encode()


def reveal_due(state: State, epoch: int) -> list[dict[str, Any]]:
    """Open what is due in an epoch, drop what has expired, and return the events."""
    events: list[dict[str, Any]] = []
    due = epoch - state.get("RevealPeriodEpochs", state.netuid)
    for mechanism in range(state.mechanisms):
        index = storage_index(state.netuid, mechanism)
        for committed in state.pallets.map(PALLET, "TimelockedWeightCommits", index):
            if committed < due:
                state.pallets.drop(PALLET, "TimelockedWeightCommits", index, committed)
            elif committed == due:
                events += _reveal(state, mechanism, committed)
    return events


def _reveal(state: State, mechanism: int, epoch: int) -> list[dict[str, Any]]:
    """Open the commits of one epoch; those that cannot be opened yet stay."""
    index, events, waiting = storage_index(state.netuid, mechanism), [], []
    key = state.pallets.codec.key(PALLET, "TimelockedWeightCommits", index, epoch)
    for commit in read_commits(state.pallets.values.get(key) or compact(0)):
        try:
            weights = _opened(state, mechanism, commit)
            if weights is None:
                waiting.append(commit)
                continue
            if weights.account == commit.account:
                set_weights(state, commit.hotkey, mechanism, weights.uids, weights.values, weights.version_key)
                events.append({PALLET: {"TimelockedWeightsRevealed": [index, commit.hotkey]}})
        except (DispatchError, ValueError):
            continue  # as on the chain, weights that cannot be read or set are lost
    if waiting:
        state.pallets.overlay.changes[key] = write_commits(waiting)
    else:
        state.pallets.drop(PALLET, "TimelockedWeightCommits", index, epoch)
    return events


def _opened(state: State, mechanism: int, commit: Commit) -> Weights | None:
    """Return the weights in a commit; None if neither its round's signature nor its weights are known."""
    pulse = state.pallets.get("Drand", "Pulses", commit.reveal_round)
    if pulse is not None:
        envelope = compact(len(commit.sealed)) + commit.sealed + commit.reveal_round.to_bytes(_U64, "little")
        signature = str(pulse["signature"]).removeprefix("0x")
        return Weights.decode(bytes(bittensor_core.decrypt_with_signature(envelope, signature)))
    held = state.pallets.values.get(_held_key(state.netuid, mechanism, commit.account))
    return None if held is None else Weights.decode(held)


def _held_key(netuid: int, mechanism: int, account: bytes) -> bytes:
    return _HELD + storage_index(netuid, mechanism).to_bytes(2, "little") + account
