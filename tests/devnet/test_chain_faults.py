"""The fault table of the chain's side: what a client of the SDK sees when the endpoint misbehaves."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from finest.devnet.chain.server import ChainServer
from finest.errors import UsageError
from tests.devnet.chain_parts import ALICE, BOB, NETUID, ask, bt, chain, commit, isolated, member, still

__all__ = ["chain", "isolated", "still"]


def test_a_frozen_socket_times_out_in_the_client(chain: ChainServer) -> None:
    """An open connection and a new one hang until the client's own deadline; both live again when it thaws."""

    async def read() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            chain.faults.freeze = True
            for attempt in (client.block(), bt.Subtensor(chain.endpoint).__aenter__()):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(attempt, 0.4)
            chain.faults.freeze = False
            return await asyncio.wait_for(client.block(), 5)

    assert asyncio.run(read()) == 0


def test_a_frozen_socket_answers_no_ping(chain: ChainServer) -> None:
    """Half-open: not even the WebSocket's own ping is answered."""
    from websockets.asyncio.client import connect

    async def ping() -> None:
        async with connect(chain.endpoint, ping_interval=None, close_timeout=0.1) as socket:
            await asyncio.wait_for(await socket.ping(), 5)
            chain.faults.freeze = True
            await asyncio.sleep(0.05)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(await socket.ping(), 0.3)
            chain.faults.freeze = False

    asyncio.run(ping())


def test_another_process_mends_what_it_froze(chain: ChainServer) -> None:
    """The control path answers while everything else is frozen."""
    assert ask(chain.control, "devnet_faults", {"freeze": True})["result"]["freeze"] is True
    with pytest.raises(TimeoutError):
        ask(chain.endpoint, "chain_getHead", timeout_s=0.3)
    ask(chain.control, "devnet_faults", {"freeze": False})
    assert ask(chain.endpoint, "chain_getHead")["result"] == chain.node.head.hash


def test_a_dropped_connection_is_made_again(chain: ChainServer) -> None:
    """A read survives the cut: the SDK connects anew by itself."""

    async def read() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            chain.faults.drop_next = 1
            first = await asyncio.wait_for(client.block(), 10)
            chain.drop_connections()
            return first, await asyncio.wait_for(client.block(), 10)

    assert asyncio.run(read()) == (0, 0)


def test_a_stopped_endpoint_fails_fast_and_comes_back(tmp_path: Path, cache: Path) -> None:
    """While the chain is down a new client is told so; on the same folder and port the old client reads on."""
    server = ChainServer(tmp_path / "chain", cache, block_s=None).start()

    async def outage() -> Any:
        async with bt.Subtensor(server.endpoint) as client:
            server.advance(4)
            await client.block()
            server.stop()
            with pytest.raises(bt.RpcConnectionError):
                async with bt.Subtensor(server.endpoint):
                    pass
            server.start()
            return await asyncio.wait_for(client.block(), 20)

    try:
        assert asyncio.run(outage()) == 4
    finally:
        server.stop()


def test_a_refused_handshake_says_when_to_come_again(chain: ChainServer) -> None:
    """HTTP 429 at the door: the SDK raises its policy error with the server's retry-after."""
    chain.faults.set(refuse_http=429, retry_after_s=7)

    async def enter() -> None:
        async with bt.Subtensor(chain.endpoint):
            pass

    with pytest.raises(bt.RpcPolicyError) as caught:
        asyncio.run(enter())
    assert (caught.value.status_code, caught.value.retry_after) == (429, "7")


def test_late_answers_come_late(chain: ChainServer) -> None:
    """A stall delays an answer and loses nothing."""
    chain.faults.stall_s = 0.3
    began = time.monotonic()
    assert ask(chain.endpoint, "chain_getHead")["result"] == chain.node.head.hash
    assert time.monotonic() - began >= 0.3


def test_the_next_submit_fails(chain: ChainServer) -> None:
    """An error on demand reaches the client, the transaction does not reach the pool, and the next one is fine."""
    member(chain, BOB)
    chain.faults.fail_submits = [{"code": 1016, "message": "Immediately Dropped"}]

    async def write() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            refused = await commit(client, BOB, b"one")
            return refused.success, refused.message, (await commit(client, BOB, b"two")).success, chain.block

    assert asyncio.run(write()) == (False, "Immediately Dropped", True, 1)


def test_a_lost_answer_hides_a_write_that_happened(chain: ChainServer) -> None:
    """The connection dies after the submit was taken: the client cannot know, and the chain has it."""
    member(chain, BOB)
    chain.faults.lose_submits = 1

    async def write() -> Any:
        async with bt.Subtensor(chain.endpoint) as client:
            try:
                result = await asyncio.wait_for(commit(client, BOB, b"lost"), 10)
                assert not result.success
            except (bt.RpcConnectionError, asyncio.TimeoutError):
                pass
            entries = await client.subnets.commitments(NETUID)
            return entries[BOB.hot_ss58].value, (await commit(client, BOB, b"again")).success

    assert asyncio.run(write()) == ("lost", True)


def test_blocks_can_be_slow_and_stop(tmp_path: Path, cache: Path) -> None:
    """The running clock makes blocks, fewer when they are slow, none when they stop."""
    with ChainServer(tmp_path / "chain", cache, block_s=0.02) as server:
        _wait(lambda: server.block >= 5)
        server.faults.halt_blocks = True
        time.sleep(0.1)
        stood = server.block
        time.sleep(0.2)
        assert server.block == stood
        server.faults.set(halt_blocks=False, slow_block_s=30.0)
        time.sleep(0.2)
        assert server.block <= stood + 1


def test_a_write_waits_for_its_block(still: ChainServer) -> None:
    """No block, no inclusion: the client waits until the test makes one."""
    member(still, BOB)

    async def write() -> Any:
        async with bt.Subtensor(still.endpoint) as client:
            writing = asyncio.ensure_future(commit(client, BOB, b"patience"))
            done, _ = await asyncio.wait({writing}, timeout=0.3)
            assert not done
            still.advance()
            return (await asyncio.wait_for(writing, 300)).success

    assert asyncio.run(write()) is True


def test_faults_have_names(chain: ChainServer) -> None:
    """A fault that does not exist is an error that lists those that do."""
    with pytest.raises(UsageError, match="freeze"):
        chain.faults.set(melt=True)
    chain.faults.set(stall_s=1.0, drop_next=3)
    chain.faults.clear()
    assert (chain.faults.stall_s, chain.faults.drop_next) == (0.0, 0)
    assert ask(chain.control, "devnet_fund", ALICE.hot_ss58, 2)["result"] == 2 * 10**9


def _wait(done: Any, most_s: float = 300.0) -> None:
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < most_s
        time.sleep(0.01)
