"""Commitments: byte limits, the budget of an epoch, hostile content."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from finest.devnet.chain.server import ChainServer
from tests.devnet.chain_parts import BOB, CAROL, NETUID, bt, chain, commit, isolated, member

__all__ = ["chain", "isolated"]


def test_one_and_all_are_read(chain: ChainServer) -> None:
    """A commitment is read alone and with all others, with uid and block; a new one takes the old one's place."""
    member(chain, BOB)
    member(chain, CAROL)

    async def write_and_read() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            for keys, text in ((BOB, b"old"), (BOB, b"fd1:ns/repo@" + b"a" * 40), (CAROL, b"c" * 300)):
                assert (await commit(client, keys, text)).success
            one = await client.read("commitment", netuid=NETUID, hotkey_ss58=BOB.hot_ss58)
            return one, await client.subnets.commitments(NETUID)

    one, everyone = asyncio.run(write_and_read())
    assert (one.data, one.block) == ("fd1:ns/repo@" + "a" * 40, 2)
    assert {hotkey: (entry.uid, entry.block) for hotkey, entry in everyone.items()} == {
        BOB.hot_ss58: (1, 2),
        CAROL.hot_ss58: (2, 3),
    }
    assert everyone[CAROL.hot_ss58].fields == [{"BigRaw": "c" * 300}]


def test_strangers_may_not_commit(chain: ChainServer) -> None:
    """An unregistered hotkey is refused as the pallet does, and nothing is written."""

    async def attempt() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            result = await commit(client, BOB, b"hello")
            return result.error.name, await client.subnets.commitments(NETUID)

    assert asyncio.run(attempt()) == ("AccountNotAllowedCommit", {})


@pytest.mark.parametrize(("size", "times"), [(50, 31), (100, 31), (128, 24), (512, 6)])
def test_an_epoch_has_a_budget(chain: ChainServer, size: int, times: int) -> None:
    """3,100 bytes an epoch, each commitment at least 100; the next epoch begins anew."""
    member(chain, BOB)
    chain.set_hyperparameter("Tempo", 100)

    async def spend() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            fine = [(await commit(client, BOB, bytes([65 + n]) * size)).success for n in range(times)]
            over = await commit(client, BOB, b"z" * size)
            chain.advance(100)
            again = await commit(client, BOB, b"z" * size)
            return all(fine), over.error.name, again.success

    assert asyncio.run(spend()) == (True, "SpaceLimitExceeded", True)


def test_a_failed_commitment_leaves_the_old_one(chain: ChainServer) -> None:
    """What a refused call wrote is taken back; its nonce is used."""
    member(chain, BOB)

    async def fail() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            await commit(client, BOB, b"kept")
            refused = await commit(client, BOB, b"1", b"2", b"3", b"4")
            one = await client.read("commitment", netuid=NETUID, hotkey_ss58=BOB.hot_ss58)
            return refused.error.name, one.data, chain.node.state_at_head().nonce(BOB.hot_ss58)

    assert asyncio.run(fail()) == ("TooManyFieldsInCommitmentInfo", "kept", 2)


def test_too_long_a_field_never_enters_the_pool(chain: ChainServer) -> None:
    """Beyond 512 bytes a field is no `BigRaw`: the node cannot decode the call."""
    member(chain, BOB)

    async def attempt() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            return await commit(client, BOB, b"x" * 513)

    result = asyncio.run(attempt())
    assert (result.success, chain.block) == (False, 0)
    assert "Verification Error" in result.message


@pytest.mark.parametrize("text", [b"0x616263" * 20, b"\x00\xff" * 60, "ß∂".encode() * 40, b"0x" + b"zz" * 70, b""])
def test_hostile_bytes_are_kept_as_they_came(chain: ChainServer, text: bytes) -> None:
    """Text that spells hex, bytes that are no text, nothing at all: storage has exactly what was signed."""
    member(chain, BOB)

    async def write() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            assert (await commit(client, BOB, text)).success
            return await client.subnets.commitments(NETUID)

    everyone = asyncio.run(write())
    codec = chain.node.codec
    stored = chain.node.pallets_at(chain.block).values.get(
        codec.key("Commitments", "CommitmentOf", NETUID, BOB.hot_ss58)
    )
    assert stored is not None
    assert stored.endswith(text)
    assert list(everyone) == [BOB.hot_ss58]


def test_sealed_commitments_are_taken(chain: ChainServer) -> None:
    """A timelocked commitment is stored with its round, and stays sealed: no drand pulse comes here."""
    member(chain, BOB)

    async def write() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            info = {"fields": [[{"TimelockEncrypted": {"encrypted": "0x" + "ab" * 64, "reveal_round": 99}}]]}
            call = bt.calls.Commitments.set_commitment(netuid=NETUID, info=info)
            assert (await client.submit_call(call, BOB, signer="hotkey")).success
            return (await client.subnets.commitments(NETUID))[BOB.hot_ss58]

    entry = asyncio.run(write())
    assert (entry.status, entry.reveal_round) == ("sealed", 99)
