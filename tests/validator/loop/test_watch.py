"""What a look finds: on the devnet's chain through the unmodified SDK, and at a task server over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

bt = pytest.importorskip("bittensor")

from finest.chain.options import ChainOptions  # noqa: E402
from finest.chain.payload import encode  # noqa: E402
from finest.chain.subnet import Chain  # noqa: E402
from finest.devnet.chain.server import ChainServer  # noqa: E402
from finest.devnet.chain.state import Genesis  # noqa: E402
from finest.errors import TaskServerUnavailable  # noqa: E402
from finest.tasks import authority  # noqa: E402
from finest.tasks.client import TaskServer  # noqa: E402
from finest.tasks.models import Rules  # noqa: E402
from finest.tasks.store import Store  # noqa: E402
from finest.validator.loop import watch  # noqa: E402
from finest.validator.loop.lines import Entry  # noqa: E402
from finest.validator.loop.queue import Queue  # noqa: E402
from finest.validator.loop.watch import find_new_lines  # noqa: E402
from tests.chain.on_devnet import MakeKey  # noqa: E402
from tests.tasks.live_server import SERVER, serving  # noqa: E402
from tests.tasks.samples import CRAWL, ROOT, paths  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture
def queue(sqlite_url: str) -> Iterator[Queue]:
    queue = Queue.open(sqlite_url)
    yield queue
    queue.close()


@dataclass
class Miner:
    """A hotkey with a seat, and its line to the task server."""

    chain: Chain
    tasks: TaskServer
    made: int = 0

    @property
    def address(self) -> str:
        return self.chain.hotkey.address

    def finish(self, task_id: str) -> str:
        """Commit a dataset for a task and tell the server; its line."""
        self.made += 1
        revision = f"{self.made:040x}"
        line = encode("alice/web", revision, ROOT)
        self.chain.commit(line)
        self.tasks.finish(task_id, "alice/web", revision, ROOT)
        return line

    def work(self) -> str:
        return self.finish(self.tasks.lease(1).id)


@dataclass
class World:
    """A validator's view of both, and miners."""

    chain: Chain
    tasks: TaskServer
    queue: Queue
    new_miner: Callable[[], Miner]

    def find_new_lines(self, *, full: bool) -> watch.NewLines:
        return find_new_lines(self.chain, self.tasks, self.queue, full=full)

    def known(self, miner: Miner) -> dict[str, Entry]:
        """By line, what the queue has of a miner."""
        found: dict[str, Entry] = {}
        busy: list[int] = []
        while entry := self.queue.next(busy, 1e12):
            busy.append(entry.id)
            found |= {entry.line: entry} if entry.hotkey == miner.address else {}
        return found


@contextmanager
def a_world(folder: Path, queue: Queue, seat: Callable[[], Chain]) -> Iterator[World]:
    """A task server over the chain that `seat` gives keys on."""
    rules = Rules(lease_blocks=100_000, open_leases=4)
    store = Store.open(f"sqlite:///{folder / 'tasks.db'}", rules)
    store.add_warcs(CRAWL, paths(200))
    own = seat()
    own._max_age_s = 0.0
    with serving(store, rules, own) as served:  # type: ignore[arg-type]

        def new_miner() -> Miner:
            chain = seat()
            return Miner(chain, TaskServer(served.url, chain.hotkey, receiver=SERVER.address))

        yield World(own, TaskServer(served.url, None), queue, new_miner)
    store.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task server reads the chain again at once."""
    looks = {"UNREGISTERED_REFRESH_S": 0.1, "COMMITMENTS_EVERY_S": 0.1, "MIN_REFRESH_S": 0.1, "MAX_REFRESH_S": 0.3}
    for name, seconds in looks.items():
        monkeypatch.setattr(authority, name, seconds)


@pytest.fixture
def world(queue: Queue, make_key: MakeKey, open_chain: Callable[..., Chain], tmp_path: Path) -> Iterator[World]:
    """The devnet that the tests of a module share."""
    with a_world(tmp_path, queue, lambda: open_chain(make_key())) as world:
        yield world


def test_a_new_line_enters_once(world: World) -> None:
    """With the block of its commitment and that of the seat, however often it is looked at."""
    alice, bob = world.new_miner(), world.new_miner()
    lines = {miner.address: miner.work() for miner in (alice, bob)}
    assert world.find_new_lines(full=True).new >= 2
    for full in (True, False):
        again = world.find_new_lines(full=full)
        assert (again.new, again.lines >= 2) == (0, True)
    for miner in (alice, bob):
        (entry,) = world.known(miner).values()
        (stands,) = [one for one in world.chain.commitments() if one.hotkey == miner.address]
        seat = world.chain.view().neuron(miner.address)
        assert seat is not None
        assert (entry.line, entry.block, entry.standing) == (lines[miner.address], stands.block, True)
        assert entry.registered_block == seat.registration_block


@pytest.mark.parametrize("full", [True, False], ids=["far", "near"])
def test_a_replaced_line_is_found_at_the_task_server(world: World, full: bool) -> None:
    """Two tasks between two looks: the chain shows the second alone; the first has its task's last block."""
    alice = world.new_miner()
    world.find_new_lines(full=True)
    first, second = alice.work(), alice.work()
    assert world.find_new_lines(full=full).new == 2
    found = world.known(alice)
    assert (found[first].standing, found[second].standing) == (False, True)
    task = world.tasks.task_by_commitment(alice.address, first)
    assert found[first].block == task.closed_block
    assert len(found) == 2


@pytest.mark.parametrize("full", [True, False], ids=["far", "near"])
def test_a_replaced_line_of_an_old_lease_is_found(world: World, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task server lists by leases: tasks that are known hide none that was leased before them."""
    monkeypatch.setattr(watch, "BATCH", 1)
    alice, bob = world.new_miner(), world.new_miner()
    old = alice.tasks.lease(1)
    for _ in range(3):
        bob.work()
    world.find_new_lines(full=True)
    first = alice.finish(old.id)
    second = alice.work()
    world.find_new_lines(full=full)
    assert world.known(alice).keys() == {first, second}


def test_a_line_without_a_task_enters_too(world: World) -> None:
    """Its miner may not have had the server's answer yet; who finishes nothing has a verdict of its own."""
    alice = world.new_miner()
    line = encode("alice/web", "ab" * 20, ROOT)
    alice.chain.commit(line)
    world.find_new_lines(full=False)
    assert world.known(alice).keys() == {line}


def test_what_is_no_line_is_counted(world: World) -> None:
    """And hinders nobody."""
    before = world.find_new_lines(full=True).skipped.get("foreign", 0)
    alice, mallory = world.new_miner(), world.new_miner()
    call = bt.calls.Commitments.set_commitment(netuid=63, info={"fields": [[{"Raw3": "0x666431"}]]})
    with bt.Subtensor(mallory.chain.options.target) as sdk:
        assert sdk.submit_call(call, mallory.chain.hotkey.signer, signer="hotkey", wait_for_finalization=False).success
    line = alice.work()
    assert world.find_new_lines(full=True).skipped["foreign"] == before + 1
    assert world.known(alice).keys() == {line}
    assert world.known(mallory) == {}


def test_lines_of_another_seat_are_not_taken(
    queue: Queue, tmp_path: Path, cache: Path, wallets: Path, open_chain: Callable[..., Chain]
) -> None:
    """Neither from the chain nor from the task server: not once the hotkey has left, nor when it has come back."""
    names = iter(("served", "alice", "bob", "carol"))
    genesis = Genesis(max_allowed_uids=3, immunity_period=0)
    with ChainServer(tmp_path / "chain", cache, block_s=0.1, genesis=genesis) as server:
        server.advance(2)

        def seat() -> Chain:
            name = next(names)
            wallet = bt.Wallet("cold", name, str(wallets)).create_new_hotkey(suppress=True)
            if name != "served":
                server.register(wallet.hotkey.ss58_address, wallet.coldkeypub.ss58_address)
            options = ChainOptions(wallet_name="cold", wallet_hotkey=name, wallet_path=wallets, network=server.endpoint)
            return open_chain(options)

        with a_world(tmp_path, queue, seat) as world:
            alice, bob = world.new_miner(), world.new_miner()
            line, other = alice.work(), bob.work()
            server.advance(3)
            world.new_miner()  # takes the seat of whoever has it longest
            found = world.find_new_lines(full=True)
            assert (found.new, found.skipped) == (1, {"unregistered": 1})
            assert (world.known(alice), world.known(bob).keys()) == ({}, {other})
            server.advance(3)
            server.register(alice.address, server.node.state_at_head().owner(alice.address))
            assert world.find_new_lines(full=True).skipped == {"unregistered": 1, "before_registration": 1}
            assert line not in world.known(alice)
            again = alice.work()
            assert world.find_new_lines(full=True).new == 1
            assert world.known(alice)[again].registered_block > world.known(bob)[other].registered_block


def test_a_task_server_that_is_away_costs_no_line_of_the_chain(world: World) -> None:
    """What stands there is in the queue before it is asked."""
    alice = world.new_miner()
    line = alice.work()
    with pytest.raises(TaskServerUnavailable):
        find_new_lines(world.chain, TaskServer("http://127.0.0.1:1", None, deadline_s=0.2), world.queue, full=True)
    assert world.known(alice).keys() == {line}
