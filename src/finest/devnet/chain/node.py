"""The chain itself, without sockets: accept a transaction, make a block, change the head, read a block's storage."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finest.devnet.chain.blocks import At, Block, BlockStore
from finest.devnet.chain.clock import now_ms
from finest.devnet.chain.commitment import INFO_AT, measure
from finest.devnet.chain.dispatch import Context, dispatch
from finest.devnet.chain.extrinsics import Chain, Signed, read_extrinsic
from finest.devnet.chain.metadata import SPEC_VERSION, add_epoch_consensus, compact, load_metadata
from finest.devnet.chain.pool import Pool
from finest.devnet.chain.state import Genesis, State, found_subnet
from finest.devnet.chain.storage import Codec, Overlay, Pallets, Writable
from finest.devnet.chain.weights import DispatchError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")

KEPT_BLOCK_HASHES = 2400
"""The runtime's `System.BlockHashCount`: an older birth block counts as "ancient"."""
_UNSIGNED_V4 = b"\x04"
_NO_WEIGHT = {"ref_time": 0, "proof_size": 0}
_INFO = {"weight": _NO_WEIGHT, "class": "Normal", "pays_fee": "No"}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A new block, its transactions, and those dropped because they were too old for it."""

    block: Block
    included: list[Signed]
    dropped: list[Signed]


class Node:
    """One chain in one folder; the first start creates it."""

    def __init__(self, folder: Path, cache: Path, netuid: int, genesis: Genesis) -> None:
        metadata = load_metadata(cache)
        self.codec = Codec(add_epoch_consensus(metadata) if genesis.epoch_consensus else metadata)
        self.netuid = netuid
        identity = {"spec": SPEC_VERSION, "netuid": netuid, "genesis": genesis.identity()}
        self.store = BlockStore(folder, identity)
        self.pool = Pool(lambda who: self.state_at_head().nonce(who))
        self._data_tags = self._variants("Commitments", "Data")
        if not self.store.blocks:
            self._found(genesis)

    @property
    def head(self) -> Block:
        return self.store.head

    @property
    def genesis_hash(self) -> str:
        return self.store.blocks[0].hash

    def close(self) -> None:
        self.store.close()

    def pallets_at(self, number: int) -> Pallets:
        """Return the storage after a block."""
        return Pallets(self.codec, At(self.store, number))

    def state_at_head(self) -> State:
        """Return the subnet's state after the head; changes to it are not stored."""
        return State(Writable(self.codec, Overlay(At(self.store, self.head.number))), self.netuid)

    def amend(self, change: Callable[[State], T]) -> T:
        """Change the head's storage without a block, for test drivers; clients see the change at once."""
        state = self.state_at_head()
        result = change(state)
        self.store.amend(state.pallets.overlay.changes)
        return result

    def submit(self, raw_hex: object) -> tuple[Signed, Signed | None]:
        """Add a transaction to the pool; return it and the one that it replaced, if any. Raises RpcError."""
        signed = read_extrinsic(self.codec, raw_hex, Chain(self._hash_of, self.head.number + 1))
        if (signed.call.pallet, signed.call.function) == ("Commitments", "set_commitment"):
            measure(signed.call.data[INFO_AT:], self._data_tags)
        return signed, self.pool.add(signed)

    def make_block(self) -> Sealed:
        """Make the next block from the transactions that are ready in the pool."""
        number = self.head.number + 1
        ready, dropped = self.pool.take(number)
        overlay = Overlay(At(self.store, number - 1))
        pallets = Writable(self.codec, overlay)
        now = now_ms(pallets.get("Timestamp", "Now"))
        pallets.put("System", "Number", value=number)
        pallets.put("Timestamp", "Now", value=now)
        events = [_event(None, event) for event in State(pallets, self.netuid).begin_block()]
        events.append(_event(0, _success("Mandatory")))
        for index, signed in enumerate(ready, start=1):
            events += [_event(index, event) for event in self._apply(overlay, signed)]
        pallets.put("System", "Events", value=events)
        extrinsics = [self._timestamp(now), *(signed.raw for signed in ready)]
        return Sealed(self.store.append(number, extrinsics, overlay.changes), ready, dropped)

    def _hash_of(self, number: int) -> str | None:
        """Return a block's hash if the runtime still stores it: the genesis hash and the last 2,400."""
        if number > self.head.number or 0 < number < self.head.number + 1 - KEPT_BLOCK_HASHES:
            return None
        return self.store.blocks[number].hash

    def _apply(self, below: Overlay, signed: Signed) -> list[dict[str, Any]]:
        """Execute one transaction and return its events: keep its changes only if it succeeds; always use its nonce."""
        overlay = Overlay(below)
        state = State(Writable(self.codec, overlay), self.netuid)
        context = Context(state, signed.who, signed.call, self._data_tags)
        try:
            dispatch(context)
            events = [*context.events, _success("Normal")]
        except DispatchError as error:
            overlay.changes.clear()
            events = [self._failure(error)]
        state.set_nonce(signed.who, signed.nonce + 1)
        below.changes.update(overlay.changes)
        return events

    def _failure(self, error: DispatchError) -> dict[str, Any]:
        if error.pallet == "Token":
            what: dict[str, Any] = {"Token": error.name}
        else:
            pallet, index = self.codec.errors[error.pallet, error.name]
            what = {"Module": {"index": pallet, "error": "0x" + bytes([index, 0, 0, 0]).hex()}}
        return {"System": {"ExtrinsicFailed": {"dispatch_error": what, "dispatch_info": _INFO}}}

    def _timestamp(self, now: int) -> str:
        """Return the timestamp inherent with which every block begins."""
        body = _UNSIGNED_V4 + bytes(self.codec.runtime.compose_call("Timestamp", "set", {"now": now}))
        return "0x" + (compact(len(body)) + body).hex()

    def _variants(self, pallet: str, name: str) -> dict[str, int]:
        """Return the variants of a pallet's enum with their indices."""
        wanted = [f"pallet_{pallet.lower()}", "types", name]
        kind = next(kind for kind in self.codec.types.values() if kind.get("path") == wanted)
        return {variant["name"]: variant["index"] for variant in kind["def"]["variant"]["variants"]}

    def _found(self, genesis: Genesis) -> None:
        """Make the first block. A salt makes its hash unique, because the SDK caches metadata by genesis hash and
        spec.
        """
        overlay = Overlay(_Nothing())
        pallets = Writable(self.codec, overlay)
        pallets.put("System", "Number", value=0)
        pallets.put("Timestamp", "Now", value=now_ms(0))
        pallets.put("System", "Events", value=[])
        found_subnet(State(pallets, self.netuid), genesis)
        overlay.changes[b"finest:salt"] = secrets.token_bytes(16)
        self.store.append(0, [], overlay.changes)


class _Nothing:
    """The empty storage before the first block."""

    def get(self, _key: bytes) -> bytes | None:
        return None

    def keys(self, _prefix: bytes) -> list[bytes]:
        return []


def _success(kind: str) -> dict[str, Any]:
    return {"System": {"ExtrinsicSuccess": {"dispatch_info": {**_INFO, "class": kind}}}}


def _event(extrinsic: int | None, event: dict[str, Any]) -> dict[str, Any]:
    """Return the event of an extrinsic, or of the block's start if there is none."""
    phase = "Initialization" if extrinsic is None else {"ApplyExtrinsic": extrinsic}
    return {"phase": phase, "event": event, "topics": []}
