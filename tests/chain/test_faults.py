"""What goes wrong between a client and a chain, and what becomes of it.

endpoint down               the call fails within its deadline; the next one connects again
connection drops            reads are made again, writes look first: once on the chain, whatever was lost
frozen socket               noticed by half of the deadline, replaced
429 on the handshake        patience as long as asked for, or the answer how long
pool in a muddle            sent again; a real no is not
no blocks                   a write waits for its block until its deadline
all of it at once           the last good view is given, and says how old it is
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("bittensor")

from finest.chain.errors import ChainError, Unreachable
from finest.chain.options import ChainOptions
from finest.chain.subnet import Chain
from finest.devnet.chain.server import ChainServer
from tests.chain.on_devnet import RATE_LIMIT_BLOCKS, MakeKey
from tests.chain.test_subnet import line

OpenChain = Callable[..., Chain]
TOO_LONG_S = 20.0
"""Slack of a busy machine over a deadline; without one, a read takes 30 s."""


@contextlib.contextmanager
def later(delay_s: float, action: Callable[[], object]) -> Iterator[None]:
    """Do something meanwhile."""
    timer = threading.Timer(delay_s, action)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def used_bytes(server: ChainServer, chain: Chain) -> int:
    usage = server.node.state_at_head().pallets.get("Commitments", "UsedSpaceOf", 63, chain.hotkey.address)
    return int(usage["used_space"]) if usage else 0


# reading


def test_an_endpoint_that_is_down_is_named_within_the_deadline(open_chain: OpenChain) -> None:
    """One line: where, what, and which flag changes it."""
    chain = open_chain(ChainOptions(network="ws://127.0.0.1:1"), read_deadline_s=1.0)
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"ws://127.0.0.1:1 cannot be reached .*--subtensor.chain_endpoint"):
        chain.block()
    assert time.monotonic() - start < 1.0 + TOO_LONG_S


def test_a_chain_that_restarts_is_found_again(cache, tmp_path, open_chain: OpenChain) -> None:
    """The process lives on: the call after the outage connects by itself."""
    with ChainServer(tmp_path / "chain", cache, block_s=None) as server:
        port = server.port
        chain = open_chain(ChainOptions(network=server.endpoint), read_deadline_s=1.0)
        assert chain.block() == 0
    with pytest.raises(Unreachable):
        chain.block()
    with ChainServer(tmp_path / "chain", cache, block_s=None, port=port) as server:
        server.advance()
        assert chain.block() == 1


def test_a_call_waits_for_a_chain_that_comes_back(cache, tmp_path, open_chain: OpenChain) -> None:
    """Within the deadline an outage is only a delay."""
    with ChainServer(tmp_path / "chain", cache, block_s=None) as server:
        port = server.port
        chain = open_chain(ChainOptions(network=server.endpoint), read_deadline_s=10.0)
        assert chain.block() == 0
    again = ChainServer(tmp_path / "chain", cache, block_s=None, port=port)
    with later(0.7, again.start):
        assert chain.block() == 0
    again.stop()


def test_a_dropped_connection_is_not_noticed_by_a_read(server: ChainServer, miner: Chain) -> None:
    """Cut between calls or in the middle of one: the read is made again."""
    assert miner.view()
    server.drop_connections()
    assert miner.view(max_age_s=0)
    server.faults.drop_next = 3
    assert miner.commitments().block


def test_a_frozen_socket_is_replaced_at_half_the_deadline(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain
) -> None:
    """An open connection that answers nothing does not hold the loop (the SDK alone waits 60 s)."""
    chain = open_chain(make_key(), read_deadline_s=2.0)
    assert chain.block()
    before = set(server._sessions)
    server.faults.freeze = True
    with later(1.3, server.faults.clear):
        assert chain.block()
    assert server._sessions - before


def test_a_chain_that_stays_frozen_ends_the_call_at_its_deadline(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain
) -> None:
    """Not a second later than promised, and the process can go on once it thaws."""
    chain = open_chain(make_key(), read_deadline_s=1.0, submit_deadline_s=1.0)
    assert chain.block()
    server.faults.freeze = True
    for call in (chain.block, chain.commitments, lambda: chain.commit(line())):
        start = time.monotonic()
        with pytest.raises(Unreachable, match="cannot be reached"):
            call()
        assert time.monotonic() - start < 1.0 + TOO_LONG_S
    server.faults.clear()
    assert chain.block()


def test_a_slow_chain_is_waited_for(server: ChainServer, miner: Chain) -> None:
    """Slow is not dead."""
    assert miner.block()
    server.faults.stall_s = 0.3
    assert miner.block()


def test_an_endpoint_that_asks_for_patience_gets_it(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain
) -> None:
    """429 with Retry-After: not asked again before that."""
    chain = open_chain(make_key())
    server.faults.set(refuse_http=429, retry_after_s=1)
    start = time.monotonic()
    with later(0.3, server.faults.clear):
        assert chain.block()
    assert time.monotonic() - start >= 1.0


def test_too_long_a_patience_is_told_to_the_caller(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain
) -> None:
    """Beyond the deadline the call ends at once and says how long the endpoint asked for."""
    chain = open_chain(make_key())
    server.faults.set(refuse_http=429, retry_after_s=3600)
    start = time.monotonic()
    with pytest.raises(Unreachable, match="429") as caught:
        chain.block()
    assert caught.value.retry_after_s == 3600
    assert time.monotonic() - start < TOO_LONG_S


@pytest.mark.parametrize("status", [403, 502, 503])
def test_a_refused_handshake_is_tried_again(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain, status: int
) -> None:
    """A gateway's hiccup is not the end."""
    chain = open_chain(make_key())
    server.faults.refuse_http = status
    with later(0.3, server.faults.clear):
        assert chain.block()


# the last good view


def test_the_last_good_view_survives_an_outage(server: ChainServer, make_key: MakeKey, open_chain: OpenChain) -> None:
    """It is given, it says how old it is, and while the chain is out of reach nobody waits for it twice."""
    chain = open_chain(make_key(), read_deadline_s=2.0)
    first = chain.view()
    server.faults.refuse_http = 503
    server.drop_connections()
    assert chain.view(max_age_s=0) is first
    start = time.monotonic()
    assert chain.view(max_age_s=0) is first
    assert time.monotonic() - start < 1.0
    time.sleep(max(0.0, first.block_time_s - first.age_s))
    assert first.age_s >= first.block_time_s
    assert first.age_blocks >= 1


def test_without_any_view_an_outage_is_an_error(open_chain: OpenChain) -> None:
    """No view is better than an invented one."""
    chain = open_chain(ChainOptions(network="ws://127.0.0.1:1"), read_deadline_s=0.3)
    with pytest.raises(Unreachable):
        chain.view()


# writing


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_answer_does_not_commit_twice(server: ChainServer, miner: Chain, lost: int) -> None:
    """The submit is taken in and the connection cut: the client looks before it sends again."""
    assert miner.block()
    server.faults.lose_submits = lost
    receipt = miner.commit(line())
    assert receipt.sent
    assert [found.block for found in miner.commitments() if found.hotkey == miner.hotkey.address] == [receipt.block]
    assert used_bytes(server, miner) == len(line())


def test_a_lost_answer_does_not_set_weights_twice(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain
) -> None:
    """Nor is the second try mistaken for one that came too early."""
    validator = open_chain(make_key(permit=True))
    server.advance(RATE_LIMIT_BLOCKS)
    before = server.node.state_at_head().nonce(validator.hotkey.address)
    server.faults.lose_submits = 1
    receipt = validator.set_weights({validator.hotkey.address: 1.0})
    me = validator.view(max_age_s=0).neuron(validator.hotkey.address)
    assert me is not None
    assert receipt.block == me.last_update_block
    assert server.node.state_at_head().nonce(validator.hotkey.address) == before + 1


def test_a_connection_cut_while_waiting_for_the_block_is_no_loss(server: ChainServer, miner: Chain) -> None:
    """Inclusion is never waited for on a connection that is gone."""
    assert miner.block()
    server.faults.halt_blocks = True
    with later(0.5, server.drop_connections), later(1.0, server.faults.clear):
        assert miner.commit(line()).sent
    assert used_bytes(server, miner) == len(line())


def test_a_freeze_while_waiting_for_the_block_is_no_loss(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain
) -> None:
    """Half the deadline, a new connection, and the line is found on the chain."""
    chain = open_chain(make_key(), submit_deadline_s=4.0)
    assert chain.block()
    server.faults.halt_blocks = True

    def freeze() -> None:
        server.faults.set(freeze=True, halt_blocks=False)

    with later(0.3, freeze), later(2.3, server.faults.clear):
        assert chain.commit(line()).sent
    assert used_bytes(server, chain) == len(line())


@pytest.mark.parametrize("message", ["Priority is too low: (1 vs 1)", "Transaction Already Imported"])
def test_a_pool_in_a_muddle_is_asked_again(server: ChainServer, miner: Chain, message: str) -> None:
    """A nonce race is nobody's fault."""
    server.faults.fail_submits = [{"code": 1014, "message": message, "data": None}]
    assert miner.commit(line()).sent


def test_a_real_no_of_the_pool_is_not_asked_again(server: ChainServer, miner: Chain) -> None:
    """One line with the chain's reason and what to do."""
    no = {
        "code": 1010,
        "message": "Invalid Transaction",
        "data": "Inability to pay some fees (e.g. account balance too low)",
    }
    server.faults.fail_submits = [no, no]
    with pytest.raises(ChainError, match=r"refused the commitment: Payment: .*fund") as caught:
        miner.commit(line())
    assert not isinstance(caught.value, Unreachable)
    assert len(server.faults.fail_submits) == 1


def test_a_chain_without_blocks_ends_a_write_at_its_deadline(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain
) -> None:
    """Its fate is unknown then; the same call later finds the line or sends it, once."""
    chain = open_chain(make_key(), submit_deadline_s=2.0)
    assert chain.block()
    server.faults.halt_blocks = True
    start = time.monotonic()
    with pytest.raises(Unreachable, match="was sent and may still be included"):
        chain.commit(line())
    assert time.monotonic() - start < 2.0 + TOO_LONG_S
    server.faults.clear()
    server.advance(2)
    assert not chain.commit(line()).sent
    assert used_bytes(server, chain) == len(line())
