"""Attacks on signature, nonce, era and chain: what a node refuses, with the node's own codes."""

from __future__ import annotations

from typing import Any

import pytest

from finest.devnet.chain.server import ChainServer
from tests.devnet.chain_parts import ALICE, BOB, ask, chain, isolated, still

__all__ = ["chain", "isolated", "still"]

BAD_SIGNATURE = (1010, "Transaction has a bad signature")


def signed(server: ChainServer, keypair: Any, nonce: int = 0, **changes: Any) -> str:
    """A signed `System.remark` as a client would make it, with what a test wants otherwise."""
    runtime = changes.get("runtime", server.node.codec.runtime)
    remark = ("System", "remark", {"remark": changes.get("remark", b"hello")})
    call = bytes(runtime.compose_call(*changes.get("call", remark)))
    era = changes.get("era", "00")
    covered = {
        "era": era,
        "nonce": nonce,
        "tip": changes.get("tip", 0),
        "tip_asset_id": None,
        "genesis_hash": bytes.fromhex(changes.get("genesis", server.node.genesis_hash)[2:]),
        "era_block_hash": bytes.fromhex(changes.get("era_hash", changes.get("genesis", server.node.genesis_hash))[2:]),
    }
    signature = keypair.sign(bytes(runtime.signature_payload(call, **covered)))
    sent = {name: covered[name] for name in ("era", "nonce", "tip", "tip_asset_id")}
    public = changes.get("public_key", bytes(keypair.public_key))
    version = keypair.crypto_type
    raw, _ = runtime.encode_signed_extrinsic(
        call, public_key=public, signature=signature, signature_version=version, **sent
    )
    return "0x" + bytes(raw).hex()


def submit(server: ChainServer, raw: str) -> Any:
    """The error's code and data (message where it has none), or None."""
    answer = ask(server.endpoint, "author_submitExtrinsic", raw)
    error = answer.get("error")
    return error and (error["code"], error.get("data", error["message"]))


def test_an_honest_extrinsic_is_taken(chain: ChainServer) -> None:
    """Immortal and mortal ones, of either curve's payload length."""
    mortal = {"era": {"period": 64, "current": 0}, "era_hash": chain.node.genesis_hash}
    assert submit(chain, signed(chain, ALICE.hotkey)) is None
    assert submit(chain, signed(chain, ALICE.hotkey, 1, **mortal)) is None
    assert submit(chain, signed(chain, ALICE.hotkey, 2, remark=b"long" * 100)) is None
    assert (chain.block, chain.node.state_at_head().nonce(ALICE.hot_ss58)) == (3, 3)


@pytest.mark.parametrize("position", [40, 60, 99, -3])
def test_tampered_extrinsics_are_refused(chain: ChainServer, position: int) -> None:
    """One bit changed in signature or call: a bad signature."""
    raw = bytearray.fromhex(signed(chain, ALICE.hotkey)[2:])
    raw[position] ^= 1
    assert submit(chain, "0x" + raw.hex()) == BAD_SIGNATURE
    assert chain.block == 0


def test_a_stolen_name_is_refused(chain: ChainServer) -> None:
    """Bob's signature under Alice's account."""
    stolen = signed(chain, BOB.hotkey, public_key=bytes(ALICE.hotkey.public_key))
    assert submit(chain, stolen) == BAD_SIGNATURE


def test_another_chain_or_runtime_is_refused(chain: ChainServer) -> None:
    """What was signed for another genesis or another spec version does not count here."""
    import bittensor_core

    assert submit(chain, signed(chain, ALICE.hotkey, genesis="0x" + "11" * 32)) == BAD_SIGNATURE
    for spec, transactions in ((460, 1), (461, 2)):
        other = bittensor_core.Runtime(chain.node.codec.metadata, spec, transactions, 42)
        assert submit(chain, signed(chain, ALICE.hotkey, runtime=other)) == BAD_SIGNATURE


def test_a_replay_is_refused(chain: ChainServer) -> None:
    """The same bytes again, after they were in a block."""
    raw = signed(chain, ALICE.hotkey)
    assert submit(chain, raw) is None
    assert submit(chain, raw) == (1010, "Transaction is outdated")


def test_the_pool_takes_a_place_once(still: ChainServer) -> None:
    """The same transaction twice; another at its nonce for no more tip; one for more, which takes its place."""
    first, other = signed(still, ALICE.hotkey), signed(still, ALICE.hotkey, remark=b"other")
    better = signed(still, ALICE.hotkey, remark=b"other", tip=5)
    assert submit(still, first) is None
    assert submit(still, first)[0] == 1013
    assert submit(still, other)[0] == 1014
    assert submit(still, better) is None
    still.advance()
    assert still.node.head.extrinsics[1:] == (better,)


def test_nonces_are_taken_in_order(still: ChainServer) -> None:
    """A later nonce waits for the earlier one, and the next index counts what waits."""
    late, early = signed(still, ALICE.hotkey, 1), signed(still, ALICE.hotkey, 0)
    assert submit(still, late) is None
    still.advance()
    assert still.node.head.extrinsics[1:] == ()
    assert submit(still, early) is None
    assert ask(still.endpoint, "account_nextIndex", ALICE.hot_ss58)["result"] == 2
    still.advance()
    assert still.node.head.extrinsics[1:] == (early, late)


def test_a_mortal_extrinsic_dies(still: ChainServer) -> None:
    """Past its era it is refused at the door, and dropped where it waits."""
    mortal = {"era": {"period": 4, "current": 0}, "era_hash": still.node.genesis_hash}
    stale, waiting = signed(still, ALICE.hotkey, **mortal), signed(still, ALICE.hotkey, 1, **mortal)
    assert submit(still, waiting) is None
    still.advance(2)
    assert submit(still, waiting)[0] == 1013
    still.advance(2)
    assert submit(still, stale) == BAD_SIGNATURE
    assert still.node.pool.waiting == {}


def test_an_era_before_the_chain_is_refused(still: ChainServer) -> None:
    """A birth block that the chain does not have."""
    era = {"era": {"period": 64, "current": 30}, "era_hash": "0x" + "00" * 32}
    assert submit(still, signed(still, ALICE.hotkey, **era)) == (1010, "Transaction has an ancient birth block")


@pytest.mark.parametrize("raw", ["0x", "0x00", "0xffff", "0x1c84", "0x" + "00" * 200])
def test_garbage_is_refused(chain: ChainServer, raw: str) -> None:
    """Bytes that are no extrinsic."""
    assert submit(chain, raw)[0] in (1001, 1011)


def test_an_unsigned_call_is_refused(chain: ChainServer) -> None:
    """No signature, no transaction."""
    call = bytes(chain.node.codec.runtime.compose_call("System", "remark", {"remark": b"x"}))
    body = b"\x04" + call
    assert submit(chain, "0x" + (bytes([len(body) << 2]) + body).hex())[0] == 1011


def test_what_has_no_rule_fails_by_name(chain: ChainServer) -> None:
    """A call that this chain does not execute is in its block, failed, and its nonce is used."""
    raw = signed(chain, ALICE.hotkey, call=("SubtensorModule", "root_register", {"hotkey": ALICE.hot_ss58}))
    assert submit(chain, raw) is None
    failed = chain.node.pallets_at(1).get("System", "Events")[1]["attributes"]["dispatch_error"]
    pallet, index = chain.node.codec.errors["System", "CallFiltered"]
    assert failed == {"Module": {"index": pallet, "error": "0x" + bytes([index, 0, 0, 0]).hex()}}
    assert chain.node.state_at_head().nonce(ALICE.hot_ss58) == 1


def test_bad_requests_are_answered(chain: ChainServer) -> None:
    """An unknown method, an unknown block, wrong parameters: JSON-RPC's errors, and the connection lives."""
    assert ask(chain.endpoint, "chain_dance")["error"]["code"] == -32601
    assert ask(chain.endpoint, "state_getStorageAt", "0x00", "0x" + "12" * 32)["error"]["code"] == 4000
    assert ask(chain.endpoint, "state_getKeysPaged", "0x00", 5000)["error"]["code"] == 4002
    assert ask(chain.endpoint, "state_getStorage", "hello")["error"]["code"] == -32602
    assert ask(chain.endpoint, "state_call", "Nothing_here", "0x")["error"]["code"] == 4003
    assert ask(chain.endpoint, "chain_getBlockHash", 77)["result"] is None
