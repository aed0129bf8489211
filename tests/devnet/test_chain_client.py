"""The unmodified SDK reads and writes the devnet's chain."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import Any

from finest.devnet.chain.server import ChainServer
from tests.devnet.chain_parts import ALICE, BOB, CAROL, NETUID, Keys, bt, chain, commit, isolated, member, still

__all__ = ["chain", "isolated", "still"]


def register_call(keys: Keys) -> Any:
    return bt.calls.SubtensorModule.burned_register(netuid=NETUID, hotkey=keys.hot_ss58)


def test_metagraph_shows_neurons_stake_and_permit(chain: ChainServer) -> None:
    """The metagraph has what the drivers did, at once and without a block; the owner has uid 0."""
    uid = member(chain, BOB)
    chain.set_stake(BOB.hot_ss58, 12.5)
    chain.set_permit(BOB.hot_ss58, True)

    async def read() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            return await client.subnets.metagraph(NETUID), await client.subnets.metagraph(7)

    graph, nothing = asyncio.run(read())
    bob = graph.by_hotkey(BOB.hot_ss58)
    assert (uid, bob.uid, bob.coldkey, bob.validator_permit) == (1, 1, BOB.cold_ss58, True)
    assert bob.total_stake.amount == 12.5
    assert graph.neuron(0).hotkey == ALICE.hot_ss58
    assert nothing is None


def test_blocks_come_when_the_test_makes_them(still: ChainServer) -> None:
    """With no block time the head moves by `advance` alone, and hashes chain up."""

    async def read() -> Any:
        async with bt.Subtensor(still.endpoint) as client:
            before = await client.block()
            still.advance(3)
            return before, await client.block(), await client.block_info(2), await client.block_info(3)

    before, after, second, third = asyncio.run(read())
    assert (before, after, still.block) == (0, 3, 3)
    assert third.header["parentHash"] == second.hash


def test_new_heads_are_told(still: ChainServer) -> None:
    """A subscriber hears of the head and of every block after it."""

    async def follow() -> list[int]:
        seen: list[int] = []
        async with bt.Subtensor(still.endpoint) as client, aclosing(client.blocks()) as updates:
            async for update in updates:
                seen.append(update.number)
                if len(seen) == 3:
                    break
                still.advance(1)
        return seen

    assert asyncio.run(asyncio.wait_for(follow(), 10)) == [0, 1, 2]


def test_burned_register_takes_the_burn_and_gives_a_uid(chain: ChainServer) -> None:
    """A registration costs the burn, and a second one of the same hotkey fails with the pallet's error."""
    chain.fund(BOB.cold_ss58, 5)

    async def register() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            first = await client.submit_call(register_call(BOB), BOB)
            second = await client.submit_call(register_call(BOB), BOB)
            return first, second, await client.balances.get(BOB.cold_ss58), await client.read("uid", **of_bob)

    of_bob = {"hotkey_ss58": BOB.hot_ss58, "netuid": NETUID}
    first, second, left, uid = asyncio.run(register())
    assert (first.success, uid, left.tao) == (True, 1, 4.9)
    assert (second.success, second.error.name) == (False, "HotKeyAlreadyRegisteredInSubNet")


def test_poor_and_foreign_registrations_are_refused(chain: ChainServer) -> None:
    """No coins, no uid; a hotkey that another coldkey owns, no uid either; and a closed subnet takes nobody."""
    member(chain, BOB)
    chain.fund(ALICE.cold_ss58, 1)
    chain.set_hyperparameter("MaxAllowedUids", 1)

    async def errors() -> list[str]:
        async with bt.Subtensor(chain.endpoint) as client:
            poor = await client.submit_call(register_call(CAROL), CAROL)
            full = await client.submit_call(register_call(CAROL), ALICE)
            chain.set_hyperparameter("NetworkRegistrationAllowed", False)
            closed = await client.submit_call(register_call(CAROL), ALICE)
            return [poor.error.name, full.error.name, closed.error.name]

    assert asyncio.run(errors()) == ["NotEnoughBalanceToStake", "NoNeuronIdAvailable", "SubNetRegistrationDisabled"]


def test_a_full_subnet_gives_the_oldest_uid_away(chain: ChainServer) -> None:
    """A neuron past immunity loses its uid to the newcomer; its commitment stays under its hotkey."""
    member(chain, BOB)

    async def turn() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            assert (await commit(client, BOB, b"fd1:bob")).success
            chain.set_hyperparameter("MaxAllowedUids", 2)
            chain.set_hyperparameter("ImmunityPeriod", 0)
            uid = member(chain, CAROL)
            return uid, await client.subnets.metagraph(NETUID), await client.subnets.commitments(NETUID)

    uid, graph, commitments = asyncio.run(turn())
    assert (uid, graph.by_hotkey(BOB.hot_ss58), graph.neuron(1).hotkey) == (1, None, CAROL.hot_ss58)
    assert (commitments[BOB.hot_ss58].uid, commitments[BOB.hot_ss58].value) == (None, "fd1:bob")


def test_hotkeys_have_owners(chain: ChainServer) -> None:
    """Who owns a hotkey, and which hotkeys a coldkey owns."""
    member(chain, BOB)

    async def read() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            owner = await client.read("hotkey_owner", hotkey_ss58=BOB.hot_ss58)
            return owner, await client.read("owned_hotkeys", coldkey_ss58=BOB.cold_ss58)

    assert asyncio.run(read()) == (BOB.cold_ss58, [BOB.hot_ss58])


def test_coins_move_and_nobody_gives_what_he_has_not(chain: ChainServer) -> None:
    """A transfer moves rao; one beyond the balance fails and leaves it."""

    async def pay() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            call = bt.calls.Balances.transfer_keep_alive(dest=BOB.cold_ss58, value=3 * 10**9)
            paid = await client.submit_call(call, ALICE)
            back = bt.calls.Balances.transfer_keep_alive(dest=ALICE.cold_ss58, value=4 * 10**9)
            refused = await client.submit_call(back, BOB)
            return paid.success, refused.success, (await client.balances.get(BOB.cold_ss58)).tao

    assert asyncio.run(pay()) == (True, False, 3)


def test_epochs_come_every_tempo(still: ChainServer) -> None:
    """The epoch's index, its start and the next one follow the tempo."""
    still.set_hyperparameter("Tempo", 10)
    still.advance(23)

    async def read() -> Any:
        async with bt.Subtensor(still.endpoint) as client:
            return await client.read("epoch_status", netuid=NETUID)

    status = asyncio.run(read())
    wanted = {"epoch_index": 2, "last_epoch_block": 20, "blocks_since_last_step": 3, "next_epoch_start_block": 30}
    assert {name: status[name] for name in wanted} == wanted


def test_two_clients_write_at_once(chain: ChainServer) -> None:
    """Two connections commit at the same time, and each sees both."""
    member(chain, BOB)
    member(chain, CAROL)

    async def both() -> Any:
        async with bt.Subtensor(chain.endpoint) as one, bt.Subtensor(chain.endpoint) as two:
            results = await asyncio.gather(commit(one, BOB, b"from bob"), commit(two, CAROL, b"from carol"))
            return [r.success for r in results], await one.subnets.commitments(NETUID)

    results, commitments = asyncio.run(both())
    assert results == [True, True]
    assert {entry.value for entry in commitments.values()} == {"from bob", "from carol"}


def test_the_blocking_client_works_from_threads(chain: ChainServer) -> None:
    """`bt.Subtensor` without `async` reads from several threads, once it is connected: its first call is no race."""
    client = bt.Subtensor(chain.endpoint)
    assert client.block == 0
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(len(client.subnets.metagraph(NETUID)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    client.close()
    assert seen == [1, 1, 1, 1]


def test_the_past_can_be_read(chain: ChainServer) -> None:
    """A read at an earlier block answers what was so then."""
    member(chain, BOB)

    async def read() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            await commit(client, BOB, b"first")
            await commit(client, BOB, b"second")
            then, now = await client.at(1), await client.at(2)
            return [(await view.subnets.commitments(NETUID))[BOB.hot_ss58].value for view in (then, now)]

    assert asyncio.run(read()) == ["first", "second"]
