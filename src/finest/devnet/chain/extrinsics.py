"""Decode an extrinsic to its signer and call, and refuse invalid ones with the error codes of a Substrate node.

The codes and messages come from polkadot-sdk, substrate/client/rpc-api/src/author/error.rs and
substrate/primitives/runtime/src/transaction_validity.rs. A node responds with "bad signature" to a tampered extrinsic,
to one signed for another chain or runtime, and to a mortal one past its era, because each changes the signed bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bittensor_core

from finest.devnet.chain.blocks import blake2
from finest.devnet.chain.metadata import read_compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.storage import Codec

_SIGNED_V4 = 0x84
_CRYPTO = {"Ed25519": bittensor_core.CRYPTO_ED25519, "Sr25519": bittensor_core.CRYPTO_SR25519}
_SIGNATURE_BYTES = {0: 64, 1: 64, 2: 65}
_LONG_PAYLOAD_BYTES = 256
"""Signers sign the hash of a payload longer than this."""


class RpcError(Exception):
    """A JSON-RPC error response; the server always catches it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """Return the JSON-RPC error object."""
        return {"code": self.code, "message": self.message} | ({} if self.data is None else {"data": self.data})


def invalid(data: str) -> RpcError:
    """Return the error with which the pool refuses a transaction."""
    return RpcError(1010, "Invalid Transaction", data)


BAD_PROOF = "Transaction has a bad signature"
STALE = "Transaction is outdated"
ANCIENT = "Transaction has an ancient birth block"


def bad_format(why: object) -> RpcError:
    """Return the error for bytes that are not an extrinsic."""
    return RpcError(1001, f"Extrinsic has invalid format: {why}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its names, its decoded arguments and its signed bytes (two indices, then the arguments)."""

    pallet: str
    function: str
    args: dict[str, Any]
    data: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified extrinsic. `last_block` is the last block that may contain it; None for an immortal one."""

    who: str
    nonce: int
    tip: int
    call: Call
    raw: str
    hash: str
    last_block: int | None


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain data needed to check a signature: a block's hash by number (None if unknown), and the next block's
    number.
    """

    hash_of: Callable[[int], str | None]
    next_block: int


def read_extrinsic(codec: Codec, raw_hex: object, chain: Chain) -> Signed:
    """Check format, era and signature; raise RpcError as a node does. The pool checks the nonce."""
    raw = _raw(raw_hex)
    try:
        decoded = codec.runtime.decode_extrinsic(raw, True)
        _, prefix = read_compact(raw, 0)
    except ValueError as error:
        raise bad_format(error) from None
    if raw[prefix] != _SIGNED_V4:
        why = "Could not find an unsigned validator for the unsigned transaction"
        raise RpcError(1011, "Unknown Transaction Validity", why)
    birth, last_block = _era(decoded["era"], chain.next_block)
    birth_hash = chain.hash_of(birth)
    if birth_hash is None:
        raise invalid(ANCIENT)
    call_data = _verified_call(codec, raw, prefix, decoded, (chain.hash_of(0) or "", birth, birth_hash))
    call = decoded["call"]
    return Signed(
        who=decoded["address"],
        nonce=decoded["nonce"],
        tip=decoded["tip"],
        call=Call(
            pallet=call["call_module"],
            function=call["call_function"],
            args={arg["name"]: arg["value"] for arg in call["call_args"]},
            data=call_data,
        ),
        raw="0x" + raw.hex(),
        hash=blake2(raw),
        last_block=last_block,
    )


def _raw(raw_hex: object) -> bytes:
    try:
        return bytes.fromhex(str(raw_hex).removeprefix("0x"))
    except ValueError:
        raise RpcError(-32602, "Invalid params", "expected 0x-hex") from None


def _era(era: Any, next_block: int) -> tuple[int, int | None]:
    """Return the birth block and the last valid block of an era for an extrinsic in `next_block`."""
    if era == "00":
        return 0, None
    period, phase = (era["period"], era["phase"]) if isinstance(era, dict) else era
    birth = (max(next_block, phase) - phase) // period * period + phase
    return birth, birth + period - 1


def _verified_call(codec: Codec, raw: bytes, prefix: int, decoded: dict[str, Any], era: tuple[str, int, str]) -> bytes:
    """Return the call's bytes; raise RpcError unless the signature covers them, this chain, this runtime and this
    era.
    """
    genesis_hash, birth, birth_hash = era
    mortal = decoded["era"] if decoded["era"] == "00" else {"period": _period(decoded["era"]), "current": birth}
    extra, additional = codec.runtime.signature_payload_parts(
        era=mortal,
        nonce=decoded["nonce"],
        tip=decoded["tip"],
        tip_asset_id=None,
        genesis_hash=bytes.fromhex(genesis_hash[2:]),
        era_block_hash=bytes.fromhex(birth_hash[2:]),
        metadata_hash=None,
    )
    signed_at = prefix + 1 + 1 + 32  # length, version, address kind and account
    start = signed_at + 1 + _SIGNATURE_BYTES.get(raw[signed_at], 64)
    if raw[start : start + len(extra)] != extra:
        raise invalid(BAD_PROOF)
    call_data = raw[start + len(extra) :]
    payload = call_data + bytes(extra) + bytes(additional)
    if len(payload) > _LONG_PAYLOAD_BYTES:
        payload = hashlib.blake2b(payload, digest_size=32).digest()
    kind, signature = next(iter(decoded["signature"].items()))
    if kind not in _CRYPTO:
        raise invalid(BAD_PROOF)
    if not bittensor_core.verify(payload, bytes.fromhex(signature[2:]), decoded["address"], _CRYPTO[kind]):
        raise invalid(BAD_PROOF)
    return call_data


def _period(era: Any) -> int:
    period: int = era["period"] if isinstance(era, dict) else era[0]
    return period
