"""The methods of Substrate's JSON-RPC that clients of Subtensor use, and the devnet's own methods."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from finest.devnet.chain.blocks import At
from finest.devnet.chain.drive import Drivers
from finest.devnet.chain.extrinsics import RpcError
from finest.devnet.chain.metadata import SPEC_VERSION, TRANSACTION_VERSION, compact
from finest.devnet.chain.runtime_api import answer
from finest.errors import FinestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.faults import Faults
    from finest.devnet.chain.node import Node

logger = logging.getLogger(__name__)

V15 = 15
MOST_KEYS = 1000
"""Most keys that a node returns per request (polkadot-sdk, `STORAGE_KEYS_PAGED_MAX_COUNT`)."""


class Session(Protocol):
    """One client's connection."""

    def push(self, method: str, subscription: str, result: Any) -> None: ...
    def soon(self, action: Callable[[], object]) -> None: ...


@dataclass(slots=True)
class Subscriptions:
    """The subscriptions to new heads and to the status of transactions (by hash)."""

    heads: dict[str, tuple[Session, str]] = field(default_factory=dict)
    watched: dict[str, list[tuple[Session, str]]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def forget(self, session: Session) -> None:
        """Remove the subscriptions of a client that has disconnected."""
        self.heads = {key: value for key, value in self.heads.items() if value[0] is not session}
        for key, watchers in list(self.watched.items()):
            self.watched[key] = [watcher for watcher in watchers if watcher[0] is not session]

    def tell(self, extrinsic_hash: str, status: Any, *, last: bool = False) -> None:
        """Send a status to the subscribers of a transaction; `last` ends their subscriptions."""
        for session, subscription in self.watched.get(extrinsic_hash, []):
            session.push("author_extrinsicUpdate", subscription, status)
        if last:
            self.watched.pop(extrinsic_hash, None)


class Rpc:
    """Executes the JSON-RPC requests for one node."""

    def __init__(self, node: Node, faults: Faults, *, at_once: bool) -> None:
        self.node = node
        self.faults = faults
        self.at_once = at_once
        self.subscriptions = Subscriptions()
        self._methods = self._table()

    def call(self, session: Session, method: str, params: list[Any]) -> Any:
        """Return the result of one request; raise RpcError if it fails."""
        rule = self._methods.get(method)
        if rule is None:
            raise RpcError(-32601, "Method not found", method)
        try:
            return rule(session, params)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            logger.debug("%s with %s", method, params, exc_info=error)
            raise RpcError(-32602, "Invalid params", f"{type(error).__name__}: {error}") from error
        except FinestError as error:
            raise RpcError(-32000, str(error)) from error

    def make_block(self) -> int:
        """Make a block, notify all subscribers and return its number."""
        sealed = self.node.make_block()
        tell = self.subscriptions.tell
        for signed in sealed.included:
            tell(signed.hash, {"inBlock": sealed.block.hash})
            tell(signed.hash, {"finalized": sealed.block.hash}, last=True)
        for signed in sealed.dropped:
            tell(signed.hash, "invalid", last=True)
        for subscription, (session, event) in list(self.subscriptions.heads.items()):
            session.push(event, subscription, sealed.block.header)
        return sealed.block.number

    # chain

    def _number(self, block_hash: object) -> int:
        """Return the number of the block with this hash; None means the head."""
        if block_hash is None:
            return self.node.head.number
        number = self.node.store.numbers.get(str(block_hash))
        if number is None:
            raise RpcError(4000, f"Client error: UnknownBlock: Header was not found in the database: {block_hash}")
        return number

    def _block_hash(self, _session: Session, params: list[Any]) -> Any:
        if not params or params[0] is None:
            return self.node.head.hash
        if isinstance(params[0], list):
            return [self._block_hash(_session, [number]) for number in params[0]]
        number = int(params[0], 16) if isinstance(params[0], str) else int(params[0])
        return self.node.store.blocks[number].hash if 0 <= number <= self.node.head.number else None

    def _header(self, _session: Session, params: list[Any]) -> Any:
        block_hash = _at(params, 0)
        number = self.node.head.number if block_hash is None else self.node.store.numbers.get(block_hash)
        return None if number is None else self.node.store.blocks[number].header

    def _block(self, _session: Session, params: list[Any]) -> Any:
        block_hash = _at(params, 0)
        number = self.node.head.number if block_hash is None else self.node.store.numbers.get(block_hash)
        if number is None:
            return None
        block = self.node.store.blocks[number]
        return {"block": {"header": block.header, "extrinsics": list(block.extrinsics)}, "justifications": None}

    # state

    def _storage(self, _session: Session, params: list[Any]) -> Any:
        return _hex(At(self.node.store, self._number(_at(params, 1))).get(_bytes(params[0])))

    def _keys(self, _session: Session, params: list[Any]) -> list[str]:
        prefix, count, start = _bytes(params[0]), int(params[1]), _bytes(_at(params, 2) or "0x")
        if count > MOST_KEYS:
            raise RpcError(4002, f"count exceeds maximum value. value: {count}, max: {MOST_KEYS}")
        keys = At(self.node.store, self._number(_at(params, 3))).keys(prefix)
        return ["0x" + key.hex() for key in itertools.islice((key for key in keys if key > start), count)]

    def _query(self, _session: Session, params: list[Any]) -> Any:
        number = self._number(_at(params, 1))
        values = At(self.node.store, number)
        changes = [[key, _hex(values.get(_bytes(key)))] for key in params[0]]
        return [{"block": self.node.store.blocks[number].hash, "changes": changes}]

    def _runtime_version(self, _session: Session, params: list[Any]) -> Any:
        self._number(_at(params, 0))
        name = {"specName": "node-subtensor", "implName": "node-subtensor", "authoringVersion": 1, "implVersion": 1}
        versions = {"specVersion": SPEC_VERSION, "transactionVersion": TRANSACTION_VERSION, "stateVersion": 1}
        return {**name, **versions, "apis": []}

    def _state_call(self, _session: Session, params: list[Any]) -> str:
        name, data, number = str(params[0]), _bytes(params[1]), self._number(_at(params, 2))
        if name == "Metadata_metadata_at_version":
            metadata = self.node.codec.metadata
            wanted = int.from_bytes(data[:4], "little") == V15
            return "0x" + (b"\x01" + compact(len(metadata)) + metadata if wanted else b"\x00").hex()
        if name == "Metadata_metadata_versions":
            return "0x" + (compact(1) + V15.to_bytes(4, "little")).hex()
        return "0x" + answer(self.node.pallets_at(number), self.node.netuid, number, name, data).hex()

    # author

    def _next_index(self, _session: Session, params: list[Any]) -> int:
        return self.node.pool.next_nonce(str(params[0]))

    def _submit(self, session: Session, params: list[Any]) -> str:
        signed, replaced = self.node.submit(params[0])
        if replaced is not None:
            self.subscriptions.tell(replaced.hash, {"usurped": signed.hash}, last=True)
        if self.at_once:
            session.soon(self.make_block)
        return signed.hash

    def _watch(self, session: Session, params: list[Any]) -> str:
        extrinsic_hash = self._submit(session, params)
        subscription = f"devnet-{next(self.subscriptions.numbers)}"
        self.subscriptions.watched.setdefault(extrinsic_hash, []).append((session, subscription))
        ready = any(t.hash == extrinsic_hash and self.node.pool.is_ready(t) for t in self.node.pool.waiting.values())
        session.soon(lambda: session.push("author_extrinsicUpdate", subscription, "ready" if ready else "future"))
        return subscription

    def _subscribe(self, event: str) -> Callable[[Session, list[Any]], str]:
        def subscribe(session: Session, _params: list[Any]) -> str:
            subscription = f"devnet-{next(self.subscriptions.numbers)}"
            self.subscriptions.heads[subscription] = (session, event)
            head = self.node.head.header
            session.soon(lambda: session.push(event, subscription, head))
            return subscription

        return subscribe

    def _unsubscribe(self, _session: Session, params: list[Any]) -> bool:
        known = self.subscriptions.heads.pop(str(params[0]), None) is not None
        for watchers in self.subscriptions.watched.values():
            kept = [watcher for watcher in watchers if watcher[1] != params[0]]
            known |= len(kept) < len(watchers)
            watchers[:] = kept
        return known

    def _table(self) -> dict[str, Callable[[Session, list[Any]], Any]]:
        heads = {"NewHeads": "chain_newHead", "NewHead": "chain_newHead", "AllHeads": "chain_allHead"}
        heads |= {"FinalizedHeads": "chain_finalizedHead", "FinalisedHeads": "chain_finalizedHead"}
        methods: dict[str, Callable[[Session, list[Any]], Any]] = {
            "chain_getBlockHash": self._block_hash,
            "chain_getHead": lambda _session, _params: self.node.head.hash,
            "chain_getFinalizedHead": lambda _session, _params: self.node.head.hash,
            "chain_getHeader": self._header,
            "chain_getBlock": self._block,
            "state_getStorage": self._storage,
            "state_getStorageAt": self._storage,
            "state_getKeysPaged": self._keys,
            "state_queryStorageAt": self._query,
            "state_getRuntimeVersion": self._runtime_version,
            "state_call": self._state_call,
            "account_nextIndex": self._next_index,
            "system_accountNextIndex": self._next_index,
            "author_submitExtrinsic": self._submit,
            "author_submitAndWatchExtrinsic": self._watch,
            "author_unwatchExtrinsic": self._unsubscribe,
            "author_pendingExtrinsics": lambda _session, _params: [t.raw for t in self.node.pool.waiting.values()],
            "system_chain": lambda _session, _params: "finest devnet",
            "system_health": lambda _session, _params: {"peers": 0, "isSyncing": False, "shouldHavePeers": False},
            "rpc_methods": lambda _session, _params: {"methods": sorted(self._methods)},
        }
        for name, event in heads.items():
            methods[f"chain_subscribe{name}"] = self._subscribe(event)
            methods[f"chain_unsubscribe{name}"] = self._unsubscribe
        for name, drive in Drivers(self.node, self.faults, self.make_block).methods().items():
            methods[name] = partial(_driven, drive)
        return methods


def _driven(drive: Callable[[list[Any]], Any], _session: Session, params: list[Any]) -> Any:
    return drive(params)


def _at(params: list[Any], index: int) -> Any:
    return params[index] if index < len(params) else None


def _bytes(text: Any) -> bytes:
    """Decode hex with or without 0x, which the SDK omits in `state_call`."""
    return bytes.fromhex(str(text).removeprefix("0x"))


def _hex(value: bytes | None) -> str | None:
    return None if value is None else "0x" + value.hex()
