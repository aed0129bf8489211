"""Canaries: sealed before anybody works on them, revealed when all verdicts are public, and checked by anybody."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from finest.errors import UsageError, VerifyError
from finest.tasks.assignment import Beacon, beacon_block
from finest.tasks.canaries import REVEAL_DAYS, Canaries, create, opened, read
from finest.tasks.check_log import check_log
from finest.tasks.models import DAY_BLOCKS, LogEntry, Rules, ScoreRequest, Task
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from tests.tasks.samples import CRAWL, paths, published

OPERATOR, ALICE, JUDGE = "5" + "D" * 47, "5" + "A" * 47, "5" + "V" * 47
PLAN = Canaries(secret="5e" * 32, share=0.25, hotkeys=(OPERATOR,))
RULES = Rules(open_leases=8, coldkey_leases=100)


@pytest.fixture
def store(database_url: str) -> Store:
    store = Store.open(database_url, RULES, PLAN)
    store.add_warcs(CRAWL, paths(60))
    return store


def leases(store: Store, hotkey: str, count: int, block: int = 10) -> list[Task]:
    found: list[Task] = []
    for _ in range(count):
        task = store.lease(hotkey, 1, block, besides=found[-1].id if found else None)
        assert task.id not in {one.id for one in found}
        store.finish(hotkey, task.id, **published(int(task.id[-8:], 16)), block=block)
        found.append(task)
    return found


def with_canaries(store: Store) -> dict[str, Task]:
    """Twelve of Alice's tasks and four canaries, of which one at least is good and one bad."""
    alices = leases(store, ALICE, 12)
    return {task.id: task for task in [*alices, *leases(store, OPERATOR, 4)]}


def entries(store: Store) -> list[LogEntry]:
    return store.log(0, 1000).entries


def test_every_lease_has_a_seal_and_none_tells_a_canary(store: Store) -> None:
    """Without the key nothing about a canary differs from another miner's task; with it each seal has one meaning."""
    found = with_canaries(store)
    for task in found.values():
        assert task.seal and task.seal.startswith("0:") and len(task.seal) == 66
        assert (task.canary, task.canary_key, task.revealed_block) == (None, None, None)
        kind = PLAN.kind(task.hotkey, task.id, 0)
        assert opened(task.seal, PLAN.key(0), task.id) == kind and (kind == "") == (task.hotkey == ALICE)
        assert opened(task.seal, PLAN.key(1), task.id) is None
    log = entries(store)
    seals = {entry.task_id: entry.detail["seal"] for entry in log if entry.what == "leased"}
    assert seals == {task.id: task.seal for task in found.values()}
    assert check_log(log).keys == {}


def test_canaries_are_revealed_when_their_verdicts_are_public(store: Store) -> None:
    """Days later, all of a day at once; a bad one that was passed stands no longer."""
    found = with_canaries(store)
    canaries = {one: PLAN.kind(OPERATOR, one, 0) for one, task in found.items() if task.hotkey == OPERATOR}
    for task_id in found:
        store.report(JUDGE, task_id, ScoreRequest(verdict="pass", score=0.9, tokens=5), 200)
    due = (REVEAL_DAYS + 1) * DAY_BLOCKS
    assert store.tasks(due - 1, canaries=True).tasks == []
    shown = store.tasks(due, canaries=True).tasks
    assert {task.id: task.canary for task in shown} == canaries
    assert all((task.canary_key, task.revealed_block) == (PLAN.key(0), due) for task in shown)
    assert all(task.canary is None for task in store.tasks(due, hotkey=ALICE).tasks)
    open_warcs = store.crawls()[0].open
    assert open_warcs == 60 - 16 + list(canaries.values()).count("bad")
    accepted = {task.id for task in store.accepted()}
    assert accepted == {one for one in found if canaries.get(one) != "bad"}
    store.lease("5Bob", 50, due, beacon=Beacon(beacon_block(due), "0x" + 64 * "1"))
    summary = check_log(entries(store), lists=lambda crawl: store.warcs_of(crawl, 0, 100).paths)
    assert (summary.events["revealed"], summary.keys, summary.recomputed) == (4, {0: PLAN.key(0)}, 17)
    assert store.tasks(due + 1, canaries=True).tasks and len(entries(store)) == summary.entries


def test_a_server_that_lies_about_canaries_is_found_out(store: Store) -> None:
    """It cannot call a miner's task a canary, change a kind, or keep one of a day for itself."""
    with_canaries(store)
    store.task(next(iter(with_ids(store))), (REVEAL_DAYS + 1) * DAY_BLOCKS)
    honest = entries(store)
    at = next(n for n, entry in enumerate(honest) if entry.what == "revealed")
    alice = next(entry for entry in honest if entry.hotkey == ALICE)
    other = "good" if honest[at].detail["kind"] == "bad" else "bad"
    for changes, why in [
        ({"detail": honest[at].detail | {"kind": other}}, "its seal does not say"),
        ({"detail": honest[at].detail | {"key": PLAN.key(3)}}, "its seal does not say"),
        ({"detail": honest[at].detail | {"key": ["x"]}}, "has the key"),
        ({"task_id": alice.task_id, "hotkey": ALICE}, "its seal does not say"),
    ]:
        told = [*honest[:at], honest[at].model_copy(update=changes), *honest[at + 1 :]]
        with pytest.raises(VerifyError, match=why):
            check_log(chained(told))
    with pytest.raises(VerifyError, match="sealed as something else"):
        check_log(chained([*honest[:at], *without_reopening(honest[at + 1 :])]))


def with_ids(store: Store) -> list[str]:
    return [task.id for task in store.tasks(20).tasks]


def without_reopening(entries: list[LogEntry]) -> list[LogEntry]:
    return [entry for entry in entries if entry.what != "reopened"]


def chained(entries: list[LogEntry]) -> list[LogEntry]:
    """The entries as a server would number and hash them."""
    from finest.tasks.event_log import FIRST_HEAD, head_after

    head, found = FIRST_HEAD, []
    for number, entry in enumerate(entries, start=1):
        body = entry.model_dump() | {"number": number}
        head = head_after(head, body)
        found.append(LogEntry.model_validate(body | {"head": head}))
    return found


def test_canaries_are_no_more_than_their_share(store: Store) -> None:
    """A canary hotkey waits while the others have too few tasks; nobody else is held up."""
    leases(store, ALICE, 6)
    leases(store, OPERATOR, 2)
    with pytest.raises(Problem, match="have their share"):
        store.lease(OPERATOR, 1, 10)
    leases(store, ALICE, 4)
    assert store.lease(OPERATOR, 1, 10).hotkey == OPERATOR


def test_a_server_without_a_plan_seals_nothing(sqlite_url: str) -> None:
    """And knows nothing of canaries."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(2))
    assert leases(store, ALICE, 1)[0].seal is None
    assert all("seal" not in entry.detail for entry in entries(store))
    store.close()


def test_a_plan_is_a_secret_file(tmp_path: Path) -> None:
    """Written once; without it nobody could open the seals."""
    plan = create(tmp_path / "plan.json", 0.07, [OPERATOR, ALICE, OPERATOR])
    assert read(tmp_path / "plan.json") == plan and plan.hotkeys == (OPERATOR, ALICE)
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600
    assert plan.secret not in repr(plan)
    for call, why in [
        (lambda: create(tmp_path / "plan.json", 0.07, [OPERATOR]), "exists already"),
        (lambda: create(tmp_path / "other.json", 0.07, ["me"]), "no plan of canaries"),
        (lambda: read(tmp_path / "none.json"), "write one with"),
    ]:
        with pytest.raises(UsageError, match=why):
            call()


def test_half_of_the_canaries_are_bad() -> None:
    """By a secret draw for each task, and by how much, too."""
    kinds = [PLAN.kind(OPERATOR, f"{number:032x}", 3) for number in range(2000)]
    assert set(kinds) == {"good", "bad"} and 0.45 < kinds.count("bad") / 2000 < 0.55
    shares = [PLAN.false_share(f"{number:032x}", 3) for number in range(200)]
    assert 0.12 <= min(shares) < 0.15 and 0.27 < max(shares) <= 0.3


def test_a_verdict_is_sealed_once_and_before_it_is_told(store: Store) -> None:
    """The first hash counts; a verdict on other evidence was not sealed."""
    (task,) = leases(store, ALICE, 1)
    for sha256, block in (("a" * 64, 100), ("b" * 64, 110), ("a" * 64, 120)):
        store.seal(JUDGE, task.id, sha256, block)
    for validator, sha256, expected in ((JUDGE, "b" * 64, None), (JUDGE, "a" * 64, 100), (ALICE, "a" * 64, None)):
        request = ScoreRequest(verdict="pass", score=0.9, evidence_sha256=sha256)
        scores = {one.validator: one for one in store.report(validator, task.id, request, 200).scores}
        assert scores[validator].sealed_block == expected
    assert check_log(entries(store)).events["sealed"] == 1
    open_task = store.lease(ALICE, 1, 130)
    with pytest.raises(Problem, match="is leased"):
        store.seal(JUDGE, open_task.id, "a" * 64, 140)
