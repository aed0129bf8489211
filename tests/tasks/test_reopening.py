"""No WARC is lost or squatted: each test is named after a way in which WARCs were never refined."""

from __future__ import annotations

import random

import pytest

from finest.tasks.models import Rules, ScoreRequest, Task, TaskState, Verdict
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from tests.tasks.samples import CRAWL, paths, published
from tests.tasks.test_leases import A, B, C, check, name_of

V, W, X = "5Victor", "5Wendy", "5Xenia"


def finished(store: Store, hotkey: str, number: int, warcs: int = 4, block: int = 100) -> Task:
    task = store.lease(hotkey, warcs, block)
    return store.finish(hotkey, task.id, **published(number), block=block)


def scored(store: Store, task: Task, validator: str, verdict: Verdict, block: int = 200) -> Task:
    score = ScoreRequest(verdict=verdict, score=0.9 if verdict == "pass" else 0.0)
    return store.report(validator, task.id, score, block)


def test_burned_warcs_are_given_out_again(store: Store) -> None:
    """A failed task kept its WARCs for ever: one hotkey took 3,072 of them a day out of the crawl."""
    store.add_warcs(CRAWL, paths(4))
    task = finished(store, A, 1)
    assert name_of(lambda: store.lease(B, 4, 150))[0] == "no-work"
    assert scored(store, task, V, "fail").state == TaskState.FINISHED
    check(store)
    assert store.statistics(200).crawls[0].open == 4
    assert store.lease(B, 4, 201).warcs == task.warcs == store.task(task.id, 201).warcs
    scored(store, task, V, "fail", 202)
    scored(store, task, W, "fail", 202)
    check(store)


def test_who_failed_is_given_other_warcs_first(store: Store) -> None:
    """As after a release: others may have more luck, and a griefer does not burn the same WARCs again."""
    store.add_warcs(CRAWL, paths(8))
    task = finished(store, A, 1)
    scored(store, task, V, "fail")
    assert not set(store.lease(A, 4, 201).warcs) & set(task.warcs)
    assert store.lease(B, 4, 201).warcs == task.warcs


@pytest.mark.parametrize("rules", [Rules(fails_to_reopen=2)])
def test_one_validator_alone_reopens_nothing(store: Store) -> None:
    """It takes as many fails as the operator asks for, and more of them than passes."""
    store.add_warcs(CRAWL, paths(4))
    task = finished(store, A, 1)
    for validator, verdict, opened in (
        (V, "fail", 0), (W, "pass", 0), (X, "no_evidence", 0), (X, "fail", 4), (W, "pass", 4)
    ):  # fmt: skip
        scored(store, task, validator, verdict)  # type: ignore[arg-type]
        assert store.statistics(200).crawls[0].open == opened
    check(store)


@pytest.mark.parametrize("rules", [Rules(lease_blocks=10)])
def test_squatting_ends_after_four_lengths(store: Store) -> None:
    """A lease could be renewed for ever, and each renewal enlarged the time that promptness allows."""
    store.add_warcs(CRAWL, paths(4))
    task = store.lease(A, 4, 100)
    assert (task.expires_block, task.due_block) == (110, 110)
    for block, expires in ((105, 115), (115, 125), (124, 134), (133, 140), (139, 140)):
        renewed = store.renew(A, task.id, block)
        assert (renewed.expires_block, renewed.due_block) == (expires, 110)
    assert store.lease(B, 4, 141).warcs == task.warcs
    assert name_of(lambda: store.renew(A, task.id, 141))[0] == "lease-expired"


@pytest.mark.parametrize("rules", [Rules(coldkey_leases=3)])
def test_one_coldkey_holds_no_more_than_its_leases(store: Store) -> None:
    """However many hotkeys it has; what they finish or lose makes room."""
    store.add_warcs(CRAWL, paths(40))
    tasks = [store.lease(hotkey, 4, 100, coldkey="5Cold") for hotkey in (A, B, C)]
    with pytest.raises(Problem, match=r"3 leases of coldkey 5Cold are open"):
        store.lease("5Dave", 4, 100, coldkey="5Cold")
    assert store.lease(A, 4, 100, coldkey="5Cold") == tasks[0]
    assert store.lease("5Eve", 4, 100, coldkey="5Other")
    store.finish(A, tasks[0].id, **published(), block=101)
    assert store.lease("5Dave", 4, 101, coldkey="5Cold")


def test_griefers_do_not_keep_a_crawl_from_its_end(tmp_path: object) -> None:
    """A tenth of the hotkeys finish with garbage, or hold on to the end: 99 % of the WARCs are refined and passed."""
    store = Store.open(f"sqlite:///{tmp_path}/tasks.db", Rules(lease_blocks=100, tasks_per_window=1000))
    store.add_warcs(CRAWL, paths(240))
    rng, number = random.Random(1), 0
    hotkeys = [f"5Miner{place:02d}" for place in range(20)]
    burner, squatter = hotkeys[:2]
    done: set[str] = set()
    for block in range(100, 1600, 50):
        for hotkey in rng.sample(hotkeys, len(hotkeys)):
            try:
                task = store.lease(hotkey, 64 if hotkey in (burner, squatter) else 2, block)
            except Problem:
                continue
            number += 1
            if hotkey == squatter:
                store.renew(hotkey, task.id, block)
                continue
            store.finish(hotkey, task.id, **published(number), block=block)
            scored(store, task, V, "fail" if hotkey == burner else "pass", block)
            done |= set() if hotkey == burner else set(task.warcs)
    check(store)
    store.close()
    assert len(done) >= 0.99 * 240
