"""Leases: never the same WARC to two miners, whatever happens at the same moment; on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from finest.tasks import lease_expiry, tables
from finest.tasks.models import Rules, Task, TaskState
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from tests.deep import examples
from tests.tasks.samples import CRAWL, look, paths, published

A, B, C = "5Alice", "5Bob", "5Carol"
OLD = "CC-MAIN-2024-10"
SHORT = Rules(lease_blocks=10, window_blocks=100, tasks_per_window=3)


def name_of(act: Callable[[], object]) -> tuple[str, int | None]:
    """The problem that this meets, and how many blocks it says to wait."""
    with pytest.raises(Problem) as problem:
        act()
    return problem.value.name, problem.value.retry_after_blocks


def at_once(acts: list[Callable[[], Task]], threads: int) -> list[Task | Problem]:
    """What each of these answers, all started together."""
    gate = threading.Barrier(min(threads, len(acts)))
    arrived = threading.local()

    def one(act: Callable[[], Task]) -> Task | Problem:
        if not getattr(arrived, "yes", False):
            arrived.yes = True
            gate.wait(300)
        try:
            return act()
        except Problem as problem:
            return problem

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, acts))


@pytest.fixture
def _invariants(store: Store) -> Iterator[None]:
    """After every test: no WARC has more living claims than asked for, nor two of one miner, and the sums agree."""
    yield
    check(store)


def check(store: Store) -> None:
    claims, warcs, tasks = tables.claims.c, tables.warcs.c, tables.tasks.c
    living = look(store, sa.select(claims.warc_id, claims.miner_id, claims.task_id).where(claims.live))
    per_warc = Counter(warc_id for warc_id, _, _ in living)
    assert max(per_warc.values(), default=0) <= store.rules.redundancy
    assert len({(warc_id, miner_id) for warc_id, miner_id, _ in living}) == len(living)
    for warc_id, count, is_open in look(store, sa.select(warcs.id, warcs.claims, warcs.open)):
        assert (count, is_open) == (per_warc[warc_id], per_warc[warc_id] < store.rules.redundancy)
    per_task = Counter(task_id for _, _, task_id in living)
    reopened = sa.select(tables.events.c.task_id).where(tables.events.c.what == "reopened")
    failed = {task_id for (task_id,) in look(store, reopened)}
    for task_id, state, count in look(store, sa.select(tasks.id, tasks.state, tasks.warcs)):
        lives = state == "leased" or (state == "finished" and task_id not in failed)
        assert per_task[task_id] == (count if lives else 0)


@pytest.mark.slow
@pytest.mark.usefixtures("_invariants")
def test_many_requests_of_many_miners(store: Store) -> None:
    """Every miner has one task, however often it asks at the same moment, and no WARC goes out twice."""
    count = examples(50, 200)
    store.add_warcs(CRAWL, paths(4 * count + 100))
    acts = [lambda miner=f"5Miner{number % count}": store.lease(miner, 4, 100) for number in range(5 * count)]
    tasks = {(task.hotkey, task.id) for task in at_once(acts, 24) if isinstance(task, Task)}
    assert len(tasks) == len({hotkey for hotkey, _ in tasks}) == count
    handed_out = Counter(path for _, task_id in tasks for path in store.task(task_id, 100).warcs)
    assert set(handed_out.values()) == {1}
    assert len(handed_out) == 4 * count


@pytest.mark.usefixtures("_invariants")
@pytest.mark.parametrize("rules", [Rules(redundancy=3)])
def test_redundancy_gives_a_warc_to_so_many_miners(store: Store) -> None:
    """With a redundancy of three, each WARC goes to three miners, none gets one twice, and the fourth none."""
    store.add_warcs(CRAWL, paths(40))
    acts = [lambda miner=f"5Miner{number}": store.lease(miner, 4, 100) for number in range(30)]
    tasks = [task for task in at_once(acts, 16) if isinstance(task, Task)]
    while sum(len(task.warcs) for task in tasks) < 120:  # one that others were taking at the moment was passed over
        tasks.append(store.lease(f"5Late{len(tasks)}", 4, 100))
    assert Counter(path for task in tasks for path in task.warcs) == dict.fromkeys(paths(40), 3)
    assert name_of(lambda: store.lease(A, 4, 100)) == ("no-work", 1801)


@pytest.mark.usefixtures("_invariants")
@pytest.mark.parametrize("rules", [Rules(redundancy=2, open_leases=2)])
def test_a_miner_never_gets_a_warc_twice(store: Store) -> None:
    """Its second lease holds other WARCs than its first, finished or not."""
    store.add_warcs(CRAWL, paths(6))
    first = store.lease(A, 4, 100)
    assert sorted(store.lease(A, 4, 100, besides=first.id).warcs + first.warcs) == paths(6)
    store.finish(A, first.id, **published(), block=101)
    assert name_of(lambda: store.lease(A, 4, 101, besides=store.lease(A, 4, 101).id))[0] == "no-work"
    assert store.lease(B, 6, 101).warcs == paths(6)


@pytest.mark.usefixtures("_invariants")
def test_what_a_miner_gave_back_comes_last(store: Store) -> None:
    """Work that failed with one miner goes to others first, and to itself again only when there is no other."""
    store.add_warcs(CRAWL, paths(3))
    first = store.lease(A, 1, 1)
    store.release(A, first.id, 1)
    second = store.lease(A, 2, 1)
    assert not set(first.warcs) & set(second.warcs)
    assert store.lease(B, 1, 1).warcs == first.warcs
    store.release(A, second.id, 1)
    assert store.lease(A, 2, 1).warcs == second.warcs


def test_no_commitment_is_older_than_the_last_block_that_was_seen(store: Store) -> None:
    """A lease begins with a block that the chain really had, and ends by the server's reckoning."""
    store.add_warcs(CRAWL, paths(1))
    task = store.lease(A, 1, 100, seen_block=60)
    assert (task.leased_block, task.expires_block) == (60, 100 + store.rules.lease_blocks)
    assert store.task(task.id, 100).leased_block == 60


def test_a_miner_can_ask_for_a_second_lease(store: Store) -> None:
    """A miner that names its lease gets the other one it holds, or a new one while it may have more."""
    store.add_warcs(CRAWL, paths(20))
    first = store.lease(A, 4, 100)
    assert store.lease(A, 4, 100) == first
    second = store.lease(A, 4, 100, besides=first.id)
    assert second.id != first.id
    assert store.lease(A, 4, 100, besides=first.id) == second
    assert store.lease(A, 4, 100, besides=second.id) == first
    store.finish(A, first.id, **published(), block=101)
    assert store.lease(A, 4, 101, besides=first.id).id == second.id
    assert store.lease(A, 4, 101, besides=second.id).id not in (first.id, second.id)


@pytest.mark.parametrize("rules", [Rules(open_leases=1)])
def test_too_many_leases(store: Store) -> None:
    """A miner that may hold one lease gets no other one besides."""
    store.add_warcs(CRAWL, paths(8))
    first = store.lease(A, 4, 100)
    assert name_of(lambda: store.lease(A, 4, 100, besides=first.id))[0] == "too-many-leases"


@pytest.mark.usefixtures("_invariants")
@pytest.mark.parametrize("rules", [SHORT])
def test_an_unrenewed_lease_is_given_out_again(store: Store) -> None:
    """A lease lives through its last block; one later its WARCs are open, and its miner is told both blocks."""
    store.add_warcs(CRAWL, paths(4))
    task = store.lease(A, 4, 100)
    assert name_of(lambda: store.lease(B, 4, 105)) == ("no-work", 6)
    assert name_of(lambda: store.lease(B, 4, 110)) == ("no-work", 1)
    assert store.lease(B, 4, 111).warcs == task.warcs
    assert store.task(task.id, 111).state == TaskState.EXPIRED
    for act in (
        lambda: store.finish(A, task.id, **published(), block=112),
        lambda: store.renew(A, task.id, 112),
        lambda: store.release(A, task.id, 112),
    ):
        with pytest.raises(Problem, match=r"lease-expired: .* block 110; the current block is 112"):
            act()
    assert name_of(lambda: store.lease(A, 4, 112))[0] == "no-work"


@pytest.mark.parametrize("rules", [SHORT])
def test_a_window_has_so_many_leases(store: Store) -> None:
    """A hotkey gets three leases in any hundred blocks, whatever became of them, and is told when to come again."""
    store.add_warcs(CRAWL, paths(9))
    for block in (100, 110, 120):
        store.release(A, store.lease(A, 1, block).id, block)
    assert name_of(lambda: store.lease(A, 1, 150)) == ("window-full", 50)
    assert name_of(lambda: store.lease(A, 1, 199)) == ("window-full", 1)
    assert store.lease(A, 1, 200)
    assert store.lease(B, 1, 150)


def test_a_task_is_of_one_crawl(store: Store) -> None:
    """Crawls come in the order of import, a task's WARCs from one crawl; a crawl may be asked for."""
    store.add_warcs(CRAWL, paths(6))
    store.add_warcs(OLD, paths(4, OLD))
    assert sorted(store.lease(A, 4, 100).warcs + store.lease(B, 4, 100).warcs) == paths(6)
    assert (store.lease(C, 1, 100).crawl, store.lease("5Dave", 4, 100, crawl=OLD).crawl) == (OLD, OLD)
    assert name_of(lambda: store.lease("5Eve", 1, 100, crawl=CRAWL)) == ("no-work", 1801)
    assert name_of(lambda: store.lease("5Eve", 1, 100, crawl="CC-MAIN-1999-01")) == ("not-found", None)


def test_without_open_leases_there_is_no_retry_time(store: Store) -> None:
    """Where no lease could end, nobody is told to wait for one."""
    assert name_of(lambda: store.lease(A, 1, 100)) == ("no-work", None)


@pytest.mark.usefixtures("_invariants")
@pytest.mark.parametrize("rules", [SHORT])
def test_renewal_and_expiry_at_once(store: Store) -> None:
    """Either the lease was renewed in time and nobody else gets its WARCs, or it was not and its miner is told."""
    store.add_warcs(CRAWL, paths(60))
    tasks = [store.lease(f"5Miner{number}", 2, 100) for number in range(30)]
    renewals = [lambda task=task: store.renew(task.hotkey, task.id, 110) for task in tasks]
    takers = [lambda number=number: store.lease(f"5Taker{number}", 2, 111) for number in range(30)]
    mixed = [act for pair in zip(renewals, takers, strict=True) for act in pair]
    answers = at_once(mixed, 16)
    renewed = {path for task in answers[::2] if isinstance(task, Task) for path in task.warcs}
    taken = {path for task in answers[1::2] if isinstance(task, Task) for path in task.warcs}
    assert not renewed & taken
    assert {answer.name for answer in answers[::2] if isinstance(answer, Problem)} <= {"lease-expired"}


@pytest.mark.usefixtures("_invariants")
@pytest.mark.parametrize("rules", [Rules(lease_blocks=10, redundancy=3)])
def test_many_leases_end_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases over the same WARCs, ended by several at the same moment and some released, count down rightly."""
    monkeypatch.setattr(lease_expiry, "EXPIRY_BATCH", 5)
    store.add_warcs(CRAWL, paths(8))
    tasks = [store.lease(f"5Miner{number}", 4, 100) for number in range(6)]
    at_once([lambda task=task: store.release(task.hotkey, task.id, 110) for task in tasks[:2]], 2)
    with ThreadPoolExecutor(8) as pool:
        ended = sum(pool.map(store.expire, [111] * 8))
    assert ended == 4
    assert store.statistics(111).crawls[0].open == 8


@pytest.mark.usefixtures("_invariants")
def test_the_last_warcs_are_waited_for(store: Store) -> None:
    """Who asks while others take the last WARCs gets what they leave, and no false `no-work`."""
    store.add_warcs(CRAWL, paths(30))
    acts = [lambda miner=f"5Miner{number}": store.lease(miner, 1, 100) for number in range(30)]
    assert all(isinstance(answer, Task) for answer in at_once(acts, 24))


@pytest.mark.parametrize("rules", [Rules(redundancy=1)])
def test_another_redundancy_opens_and_closes(store: Store, database_url: str) -> None:
    """A server started with another redundancy counts what is open anew, an import leaves it as it is."""
    store.add_warcs(CRAWL, paths(4))
    store.lease(A, 4, 100)
    for redundancy, count in ((2, 4), (None, 4), (1, 0)):
        other = Store.open(database_url, Rules(redundancy=redundancy) if redundancy else None)
        assert other.crawls()[0].open == count
        other.close()


@pytest.mark.usefixtures("_invariants")
@pytest.mark.parametrize("rules", [SHORT])
def test_processes_that_disagree_about_the_block(store: Store, database_url: str) -> None:
    """One process ends a lease that another's clock would let live: its miner is told, and its WARCs go out once."""
    store.add_warcs(CRAWL, paths(8))
    behind = Store.open(database_url, store.rules)
    task = store.lease(A, 4, 100)
    assert behind.renew(A, task.id, 97).expires_block == 107
    store.lease(B, 4, 108)
    assert name_of(lambda: behind.finish(A, task.id, **published(), block=107))[0] == "lease-expired"
    assert sorted(behind.lease(A, 4, 106).warcs + store.lease(B, 4, 108).warcs) == paths(8)
    assert behind.lease(B, 4, 90) == store.lease(B, 4, 109).model_copy(update={"block": 90})
    behind.close()


def test_a_chain_that_begins_anew(store: Store) -> None:
    """Leases of a chain with higher blocks neither end nor hinder when blocks count from one again."""
    store.add_warcs(CRAWL, paths(8))
    task = store.lease(A, 4, 5000)
    assert store.lease(A, 4, 3) == task.model_copy(update={"block": 3})
    assert store.lease(B, 4, 3).expires_block == 1803
