"""Threads, forks and exits: nothing is left behind, nothing is shared by accident."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("bittensor")

from finest.chain.options import ChainOptions
from finest.chain.subnet import Chain
from finest.devnet.chain.server import ChainServer
from tests.chain.test_subnet import line
from tests.deep import sampled

OpenChain = Callable[..., Chain]


def chain_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "finest-chain"]


def test_opening_a_chain_opens_nothing(open_chain: OpenChain) -> None:
    """No thread and no connection before the first call."""
    open_chain(ChainOptions(network="ws://127.0.0.1:1"))
    assert chain_threads() == []


def test_closing_leaves_no_thread(server: ChainServer) -> None:
    """And a closed chain opens again when it is used."""
    chain = Chain(ChainOptions(network=server.endpoint))
    for _ in range(2):
        with chain:
            assert chain.block()
            assert chain_threads() == ["finest-chain"]
        assert chain_threads() == []


def test_a_forgotten_chain_leaves_no_thread(server: ChainServer) -> None:
    """Without `close` the garbage collector does it."""
    chain = Chain(ChainOptions(network=server.endpoint))
    assert chain.block()
    del chain
    assert chain_threads() == []


def test_a_process_has_one_connection(server: ChainServer, miner: Chain) -> None:
    """However many calls and threads: leaked connections are what public endpoints ban for."""
    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(lambda _: miner.block(), range(40)))
        views = list(pool.map(lambda _: miner.view(max_age_s=0), range(16)))
    assert len(blocks) == 40
    assert len(views) == 16
    assert len(server._sessions) == 1
    assert chain_threads() == ["finest-chain"]


def test_writes_of_many_threads_take_turns(server: ChainServer, miner: Chain) -> None:
    """An account's writes are numbered: side by side they would push each other out."""
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda number: miner.commit(line(number)), range(4)))
    assert sorted({receipt.block for receipt in receipts}) == sorted(receipt.block for receipt in receipts)
    assert server.node.state_at_head().nonce(miner.hotkey.address) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_makes_its_own_connection(server: ChainServer, miner: Chain) -> None:
    """And does not touch its parent's, which goes on."""
    assert miner.block()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if miner.block() and miner.commit(line()).sent else 2
            miner.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert miner.block()
    assert not miner.commit(line()).sent
    assert len(server._sessions) == 1


EXIT = """
import sys
from finest.chain.options import ChainOptions
from finest.chain.subnet import Chain
chain = Chain(ChainOptions(network=sys.argv[1]))
assert chain.block() is not None
if sys.argv[2] == "raise":
    raise SystemExit(7)
"""


@pytest.mark.parametrize(("how", "status"), sampled([("raise", 7), ("end", 0)]))
def test_an_exit_without_close_is_quick_and_quiet(server: ChainServer, how: str, status: int) -> None:
    """No hanging thread, no complaint of a pending task or an open socket."""
    command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", EXIT, server.endpoint, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (status, "")


INTERRUPTED = """
import os, signal, sys, threading
from finest.chain.options import ChainOptions
from finest.chain.subnet import Chain
chain = Chain(ChainOptions(network=sys.argv[1]))
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
chain.block()
"""


def test_ctrl_c_ends_a_waiting_call(server: ChainServer) -> None:
    """Whoever waits for a frozen chain can stop waiting, and the process ends."""
    server.faults.freeze = True
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, server.endpoint], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
