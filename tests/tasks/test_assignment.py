"""Who gets which WARCs: a draw that nobody chooses, and that anybody computes again from the public log."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from finest.errors import UsageError, VerifyError
from finest.tasks import claim
from finest.tasks import store as store_module
from finest.tasks.assignment import (
    BEACON_BLOCKS,
    NO_ROOT,
    SETTLED_BLOCKS,
    Beacon,
    Draw,
    beacon_block,
    first_places,
    ranks,
    root_after,
)
from finest.tasks.check_log import LogSummary, Seen, check_log
from finest.tasks.event_log import FIRST_HEAD, head_after
from finest.tasks.models import LogEntry, Rules, ScoreRequest
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from finest.tasks.tables import crawls, events, warcs
from finest.tasks.work import NewWork
from tests.tasks.samples import CRAWL, paths, published

OLD = "CC-MAIN-2024-10"
ROOT = root_after(NO_ROOT, paths(4))
DRAW = Draw(ROOT, Beacon(360, "0x" + "ab" * 32), "5Alice", 1)
GERMAN, AGAIN = NewWork(CRAWL, "fineweb-2", "b" * 64, "deu_Latn"), NewWork(CRAWL, "finest", "a" * 64)
FAIL = ScoreRequest(verdict="fail", score=0.0)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "NUMBER_EVERY_S", -1.0)


def split_mix(seed: int, place: int) -> int:
    """SplitMix64 as its authors wrote it, for one output."""
    bits = (1 << 64) - 1
    state = (seed + (place + 1) * 0x9E3779B97F4A7C15) & bits
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & bits
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & bits
    return state ^ (state >> 31)


@given(number=st.integers(1, 10**6), places=st.lists(st.integers(0, 10**7), unique=True, max_size=40))
def test_the_order_is_that_of_splitmix64(number: int, places: list[int]) -> None:
    """Whichever places are free: the lowest ranks come first, in the whole and in any part of it."""
    draw = Draw(ROOT, DRAW.beacon, "5Bob", number)
    expected = sorted(places, key=lambda place: split_mix(draw.seed, place))
    for count in {0, 1, len(places) // 2, len(places), 64}:
        assert first_places(draw, np.array(places, np.int64), count) == expected[:count]


def test_the_rule_never_changes() -> None:
    """Logs are checked for years: the roots, the seed and the ranks of today are those of any later version."""
    assert ROOT == "f85a9df9e8abb73c33cf30841a6303eae27d3f30ef6afcc22e6b4b386a322b55"
    assert DRAW.seed == 0x479BA85FD91D8115
    assert first_places(DRAW, np.arange(100_000), 4) == [55369, 37943, 63632, 21097]


def test_all_parts_of_a_draw_count() -> None:
    """Another list, beacon, hotkey or number of the lease gives another order."""
    draws = [
        DRAW, Draw(NO_ROOT, DRAW.beacon, "5Alice", 1), Draw(ROOT, Beacon(360, "0x" + "ac" * 32), "5Alice", 1),
        Draw(ROOT, DRAW.beacon, "5Bob", 1), Draw(ROOT, DRAW.beacon, "5Alice", 2),
    ]  # fmt: skip
    assert len({tuple(first_places(draw, np.arange(1000), 8)) for draw in draws}) == len(draws)


def test_every_free_warc_is_equally_likely() -> None:
    """Whatever is free besides it: 4,000 leases over 50 free places of 1,000 agree with chance."""
    places = np.array(random.Random(1).sample(range(1000), 50))
    counts = Counter(
        place for number in range(4000) for place in first_places(Draw(ROOT, DRAW.beacon, "5Alice", number), places, 4)
    )
    expected = 4000 * 4 / 50
    chi_square = sum((counts[int(place)] - expected) ** 2 / expected for place in places)
    assert 20 < chi_square < 95  # 49 degrees of freedom: one draw in 10,000 is outside


def test_the_beacon_is_settled_and_lasts_for_an_epoch() -> None:
    """No process of a server can lack it, and no miner gets another draw by asking a block later."""
    assert [beacon_block(block) for block in (0, 24, 384, 385, 744, 745)] == [0, 0, 0, 360, 360, 720]
    assert beacon_block(10_000) <= 10_000 - SETTLED_BLOCKS


def log_of(store: Store) -> list[LogEntry]:
    found: list[LogEntry] = []
    after: int | None = 0
    while after is not None:
        page = store.log(after, 1000)
        found += page.entries
        after = page.next
    return found


def lists_of(store: Store) -> Callable[[str], list[str]]:
    return lambda crawl: store.warcs_of(crawl, 0, 10_000).paths


def beacon_at(block: int) -> Beacon:
    number = beacon_block(block)
    return Beacon(number, f"0x{number:064x}")


def history(store: Store, seed: int, steps: int) -> None:
    """What miners, validators and the operator may do, in any order."""
    chance, block, tasks = random.Random(seed), 100, list[Any]()
    store.add_warcs(CRAWL, paths(40))
    for step in range(steps):
        block += chance.choice((0, 1, 30, 200))
        miner = f"5Miner{chance.randrange(4)}"
        with suppress(Problem):
            match chance.randrange(8):
                case 0:
                    crawl = chance.choice((CRAWL, OLD))
                    store.add_warcs(crawl, paths(5, crawl, 60 + step))
                    with suppress(UsageError):  # nothing of it is finished yet
                        store.add_work(chance.choice((GERMAN, AGAIN)), chance.choice((0.5, 2.0)))
                case 1 if tasks:
                    done = chance.choice(tasks)
                    store.finish(done.hotkey, done.id, **published(step + 1), block=block)
                    store.report("5Validator", done.id, FAIL, block)
                case 2 if tasks:
                    store.release(tasks[-1].hotkey, tasks.pop().id, block)
                case 3 if tasks:
                    store.finish(tasks[0].hotkey, tasks[0].id, **published(step + 1), block=block)
                case _:
                    besides = next((task.id for task in reversed(tasks) if task.hotkey == miner), None)
                    tasks.append(store.lease(
                        miner, chance.randint(1, 9), block, besides=besides, beacon=beacon_at(block),
                        recipes=chance.choice(((), ("a" * 64, "b" * 64))),
                    ))  # fmt: skip


@pytest.mark.parametrize("rules", [Rules(lease_blocks=300, tasks_per_window=90), Rules(lease_blocks=300, redundancy=3)])
def test_anybody_recomputes_every_assignment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the log and the lists alone, whatever happened, even where few of the places looked up are free."""
    monkeypatch.setattr(claim, "PROBES", (1, 2))
    history(store, store.rules.redundancy, 120)
    log = log_of(store)
    summary = check_log(log, Seen(), lists=lists_of(store))
    assert summary.recomputed == summary.events["leased"] > 30
    assert summary.events["expired"] and summary.events["released"] and summary.events["reopened"]
    assert summary.events["imported"] > 1 and len(summary.beacons) > 3
    works = {entry.detail.get("work") for entry in log if entry.what == "leased"}
    assert works >= {None, GERMAN.name}


def leased_log(path: Path) -> tuple[list[dict[str, Any]], Callable[[str], list[str]]]:
    store = Store.open(f"sqlite:///{path / 'tasks.db'}", Rules())
    store.add_warcs(CRAWL, paths(200))
    for number in range(6):
        task = store.lease(f"5Miner{number % 3}", 3, 800 + number, beacon=beacon_at(800))
        store.finish(task.hotkey, task.id, **published(number + 1), block=800 + number)
    log, known = [entry.model_dump() for entry in log_of(store)], paths(200)
    store.close()
    return log, lambda _: known


def check_rewritten(log: list[dict[str, Any]], lists: Callable[[str], list[str]]) -> LogSummary:
    """Check a log whose operator has computed all hashes anew."""
    head = FIRST_HEAD
    for number, entry in enumerate(log, 1):
        entry["number"] = number
        head = entry["head"] = head_after(head, entry)
    return check_log([LogEntry(**entry) for entry in log], Seen(), lists=lists)


def leases(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in log if entry["what"] == "leased"]


def chosen(log: list[dict[str, Any]]) -> None:
    leases(log)[2]["detail"]["warcs"] = paths(3, first=100)


def one_chosen(log: list[dict[str, Any]]) -> None:
    given = {path for entry in leases(log) for path in entry["detail"]["warcs"]}
    leases(log)[2]["detail"]["warcs"][0] = next(path for path in paths(200) if path not in given)


def given_again(log: list[dict[str, Any]]) -> None:
    """What is held or finished, to a friend who copies it."""
    leases(log)[2]["detail"]["warcs"] = list(leases(log)[0]["detail"]["warcs"])


def fewer(log: list[dict[str, Any]]) -> None:
    leases(log)[1]["detail"]["warcs"].pop()


def swapped(log: list[dict[str, Any]]) -> None:
    one, two = leases(log)[:2]
    one["detail"]["warcs"], two["detail"]["warcs"] = two["detail"]["warcs"], one["detail"]["warcs"]


def hidden(log: list[dict[str, Any]]) -> None:
    task = leases(log)[1]["task_id"]
    log[:] = [entry for entry in log if entry["task_id"] != task]


def renumbered(log: list[dict[str, Any]]) -> None:
    leases(log)[3]["detail"]["number"] = 7


def other_beacon(log: list[dict[str, Any]]) -> None:
    leases(log)[0]["detail"]["beacon"] = "0x" + "ff" * 32


def older_beacon(log: list[dict[str, Any]]) -> None:
    leases(log)[0]["detail"].update(beacon_block=0, beacon="0x" + "0" * 64)


def older_block(log: list[dict[str, Any]]) -> None:
    leases(log)[0]["detail"].update(seen_block=100, beacon_block=0, beacon="0x" + "0" * 64)


def two_hashes(log: list[dict[str, Any]]) -> None:
    for entry in leases(log)[1:]:
        entry["detail"]["beacon"] = "0x" + "ff" * 32


def undrawn(log: list[dict[str, Any]]) -> None:
    del leases(log)[2]["detail"]["beacon"]


def unnamed(log: list[dict[str, Any]]) -> None:
    del leases(log)[2]["detail"]["beacon"], leases(log)[2]["detail"]["warcs"]


def unlisted(log: list[dict[str, Any]]) -> None:
    log.pop(0)


def other_list(log: list[dict[str, Any]]) -> None:
    log[0]["detail"]["root"] = "00" * 32


CHEATS = [
    (chosen, r"entry 6 of the log: task \w+ of 5Miner2 was given \S+-00100\S+, .* and 1 more; by the beacon of block"),
    (one_chosen, "of 5Miner2 was given .*gets"), (given_again, r"has \S+, which task \w+ holds"),
    (fewer, "was given nothing else; .*, it gets crawl"),
    (swapped, "entry 2 .*was given"), (hidden, "is lease 1 of its hotkey and says 2"), (renumbered, "and says 7"),
    (other_beacon, "was given"), (older_beacon, "has the beacon of block 0, while the server had read block 800"),
    (older_block, "was given"), (two_hashes, "another hash of block 720"),
    (undrawn, "does not say by which beacon"), (unnamed, "does not name its WARCs"),
    (unlisted, "a crawl that was not imported"), (other_list, "does not have the root"),
]  # fmt: skip


@pytest.mark.parametrize(("cheat", "says"), CHEATS, ids=[cheat.__name__ for cheat, _ in CHEATS])
def test_an_operator_that_chooses_is_named(
    cheat: Callable[[list[dict[str, Any]]], None], says: str, tmp_path: Path
) -> None:
    """Chosen WARCs for a friend, another's WARCs, hidden leases, a beacon of one's own: the first entry is named."""
    log, lists = leased_log(tmp_path)
    assert check_rewritten(log, lists).recomputed == 6
    cheat(log)
    with pytest.raises(VerifyError, match=says):
        check_rewritten(log, lists)


def work_chosen(log: list[dict[str, Any]]) -> None:
    leases(log)[1]["detail"]["warcs"] = paths(3, first=100)


def work_undrawn(log: list[dict[str, Any]]) -> None:
    del leases(log)[1]["detail"]["beacon"]


def work_invented(log: list[dict[str, Any]]) -> None:
    del leases(log)[1]["detail"]["beacon"]
    leases(log)[1]["detail"]["work"] = "secret"


def work_unlisted(log: list[dict[str, Any]]) -> None:
    log[:] = [entry for entry in log if entry["what"] != "imported" or "work" not in entry["detail"]]


@pytest.mark.parametrize(("cheat", "says"), [
    (work_chosen, "was given"), (work_undrawn, "does not say by which beacon"),
    (work_invented, "does not say by which beacon"), (work_unlisted, "was not imported"),
])  # fmt: skip
def test_other_work_is_drawn_from_its_own_list(
    cheat: Callable[[list[dict[str, Any]]], None], says: str, tmp_path: Path
) -> None:
    """What is leased of a crawl is free in other work on it, and an operator chooses neither there."""
    store = Store.open(f"sqlite:///{tmp_path / 'tasks.db'}", Rules())
    store.add_warcs(CRAWL, paths(200))
    store.lease("5Alice", 3, 800, beacon=beacon_at(800))
    store.add_work(GERMAN, 2.0)
    store.add_warcs(CRAWL, paths(300))
    assert store.lease("5Bob", 3, 801, beacon=beacon_at(801), recipes=["b" * 64]).kind == "language"
    assert store.warcs_of(GERMAN.name, 0, 1000).paths == paths(200)
    assert check_log(log_of(store), Seen(), lists=lists_of(store)).recomputed == 2
    log = [entry.model_dump() for entry in log_of(store)]
    cheat(log)
    with pytest.raises(VerifyError, match=says):
        check_rewritten(log, lists_of(store))
    store.close()


def test_a_beacon_is_not_used_long_after_the_next_one(tmp_path: Path) -> None:
    """Whoever may choose among all past beacons may choose WARCs; a process that lags is one beacon behind at most."""
    store = Store.open(f"sqlite:///{tmp_path / 'tasks.db'}", Rules(tasks_per_window=90))
    store.add_warcs(CRAWL, paths(200))
    for miner, seen in enumerate((800, 800 + BEACON_BLOCKS, 800, 800 + 2 * BEACON_BLOCKS)):
        store.lease(f"5Miner{miner}", 2, 2000, seen_block=seen, beacon=beacon_at(seen))
    assert check_log(log_of(store), Seen(), lists=lists_of(store)).recomputed == 4
    store.lease("5Friend", 2, 2000, seen_block=800, beacon=beacon_at(800))
    with pytest.raises(VerifyError, match=r"task \w+ has the beacon of block 720, after that of block 1440 was used"):
        check_log(log_of(store), Seen(), lists=lists_of(store))
    store.close()


def test_a_list_that_was_changed_after_its_import_is_named(tmp_path: Path) -> None:
    """Places would mean other WARCs."""
    log, lists = leased_log(tmp_path)
    changed = [*lists(CRAWL)[1:], lists(CRAWL)[0]]
    with pytest.raises(VerifyError, match=f"entry 1 of the log: the list of {CRAWL} does not have the root"):
        check_rewritten(log, lambda _: changed)
    with pytest.raises(VerifyError, match="the list was changed since"):
        check_rewritten(log, lambda _: lists(CRAWL)[:-1])


def test_a_list_is_read_in_pages_and_grows(store: Store) -> None:
    """In the order of import, each path once; what was there keeps its place."""
    assert store.add_warcs(CRAWL, [*paths(5), *paths(2)]) == 5
    assert store.add_warcs(CRAWL, paths(9)) == 4
    assert store.add_warcs(CRAWL, paths(9)) == 0
    first = store.warcs_of(CRAWL, 0, 4)
    assert (first.paths, first.next) == (paths(4), 4)
    assert (store.warcs_of(CRAWL, 4, 10).paths, store.warcs_of(CRAWL, 4, 10).next) == (paths(9)[4:], None)
    assert store.warcs_of(CRAWL, 100, 10).paths == []
    with pytest.raises(Problem, match="no crawl"):
        store.warcs_of(OLD, 0, 1)
    imports = [entry.detail for entry in log_of(store)]
    root = root_after(NO_ROOT, paths(5))
    assert [(one["warcs"], one["root"]) for one in imports] == [(5, root), (9, root_after(root, paths(9)[5:]))]


def test_leases_before_the_list_was_in_the_log_are_no_fault(store: Store) -> None:
    """A database of an earlier version: what it leased is held, and what it leases from then on is drawn."""
    store.add_warcs(CRAWL, paths(12))
    store.lease("5Alice", 4, 100)

    def as_before(connection: sa.Connection) -> None:
        earlier = {"expires_block": 1900, "redundancy": 1, "warcs": store.task(task_id, 100).warcs}
        connection.execute(sa.update(events).where(events.c.what == "leased").values(detail=earlier))
        connection.execute(sa.update(events).where(events.c.what == "imported").values(id=10))

    task_id = store.tasks(100).tasks[0].id
    store._database.write(as_before)
    if store._database.postgresql:
        store._database.write(lambda c: c.exec_driver_sql("ALTER SEQUENCE events_id_seq RESTART WITH 11"))
    store.lease("5Bob", 4, 101)
    store.release("5Alice", task_id, 102)
    store.lease("5Carol", 8, 103)
    summary = check_log(log_of(store), Seen(), lists=lists_of(store))
    assert (summary.events["leased"], summary.recomputed) == (3, 2)


def test_what_the_database_keeps_is_what_the_log_says(store: Store) -> None:
    """Roots and places."""
    store.add_warcs(CRAWL, paths(6))
    store.add_warcs(OLD, paths(3, OLD))

    def read(connection: sa.Connection) -> None:
        rows = connection.execute(sa.select(warcs.c.path).order_by(warcs.c.crawl_id, warcs.c.place)).scalars().all()
        assert rows == [*paths(6), *paths(3, OLD)]
        roots = connection.execute(sa.select(crawls.c.root).order_by(crawls.c.id)).scalars().all()
        assert roots == [root_after(NO_ROOT, paths(6)), root_after(NO_ROOT, paths(3, OLD))]

    store._database.read(read)


def test_ranks_differ() -> None:
    """No two places are equal, so that the order is complete."""
    assert len(np.unique(ranks(DRAW, np.arange(100_000)))) == 100_000
