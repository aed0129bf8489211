"""Merging as work: groups of accepted datasets, each leased once, and what becomes of the index."""

from __future__ import annotations

from typing import Any

import pytest

from finest.cli import tasks_merge
from finest.dataset.index import IndexEntry
from finest.dataset.merge_inputs import MAX_MERGED_ROWS
from finest.errors import UsageError
from finest.tasks import index
from finest.tasks import store as store_module
from finest.tasks.accepted import AcceptedTask
from finest.tasks.check_log import check_log
from finest.tasks.index import entries_of
from finest.tasks.merges import MergeRound, name_of
from finest.tasks.models import WORK_KINDS, ScoreRequest, Task
from finest.tasks.problems import Problem
from finest.tasks.recipes import AskedRecipe
from finest.tasks.store import Store
from tests.tasks.samples import CRAWL, paths, published

RECIPE = "a" * 64


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "NUMBER_EVERY_S", -1.0)


def entry(number: int, **changes: Any) -> IndexEntry:
    """An entry of an index: a dataset of one WARC."""
    values: dict[str, Any] = {
        "task": f"{number:032x}", "crawl": CRAWL, "kind": "crawl", "hotkey": "5Alice", "repo": "alice/web",
        "revision": f"{number:040x}", "folder": f"tasks/{number:032x}", "root": f"{number:064x}", "rows": 100,
        "tokens": 1000, "verified_tokens": 900, "recipe": "fineweb", "recipe_hash": RECIPE, "languages": ("eng_Latn",),
        "warcs": (paths(1, first=number)[0],), "files": (),
    }  # fmt: skip
    return IndexEntry(**(values | changes))


ENTRIES = [entry(number) for number in range(1, 8)]


def round_of(
    store: Store, entries: list[IndexEntry], size: int = 3, price: float = 0.05, **changes: bool
) -> MergeRound:  # fmt: skip
    return store.add_merges(CRAWL, AskedRecipe("fineweb", RECIPE, "fineweb"), entries, size, price, **changes)


def added(store: Store, entries: list[IndexEntry], size: int = 3, price: float = 0.05) -> int:
    """The number of new merges while a WARC of the crawl has no dataset."""
    store.add_warcs(CRAWL, paths(1, first=10_000))
    return len(round_of(store, entries, size, price).sizes)


def leased(store: Store, hotkey: str) -> Task:
    return store.lease(hotkey, 4, 100, recipes=[RECIPE], kinds=WORK_KINDS)


def test_a_lease_names_the_datasets_of_one_merge(store: Store) -> None:
    """At their pinned revisions with their roots; a dataset is in one merge, and what is left over waits."""
    assert added(store, ENTRIES) == 2
    assert added(store, ENTRIES) == 0
    with pytest.raises(Problem, match="every WARC"):
        store.lease("5Old", 4, 100, crawl=name_of(CRAWL, RECIPE), recipes=[RECIPE])
    tasks = [leased(store, hotkey) for hotkey in ("5Alice", "5Bob")]
    for task in tasks:
        assert task.merge is not None and task.warcs == [task.merge.item(CRAWL)] and task.contents == "3 datasets"
        assert (task.kind, task.price, task.recipe_hash) == ("merge", 0.05, RECIPE)
        assert store.task(task.id, 100) == task
    places = sorted(one.place for task in tasks if task.merge for one in task.merge.inputs)
    assert places == [str(one.place) for one in ENTRIES[:6]]
    assert added(store, [*ENTRIES, entry(8), entry(9)]) == 1
    third = leased(store, "5Carol")
    assert third.merge and third.merge.roots == tuple(one.root for one in (ENTRIES[6], entry(8), entry(9)))


def test_merges_are_drawn_and_recomputed_as_other_work(store: Store) -> None:
    added(store, ENTRIES)
    leased(store, "5Alice")
    added(store, [*ENTRIES, entry(8), entry(9)], price=0.1)
    leased(store, "5Bob")
    summary = check_log(store.log(0, 10).entries, lists=lambda name: store.warcs_of(name, 0, 10).paths)
    assert summary.recomputed == 2 and summary.events["imported"] == 3
    assert [(one.crawl, one.kind, one.price, one.warcs) for one in store.crawls()][:1] == [
        (name_of(CRAWL, RECIPE), "merge", 0.1, 3)
    ]


def test_only_datasets_that_fit_together_are_merged(store: Store) -> None:
    """Of one recipe and crawl, of different WARCs, of whole WARCs, and not more than a validator can compare."""
    strange = [
        entry(11, recipe_hash="b" * 64), entry(12, kind="packets"), entry(13, warcs=ENTRIES[0].warcs),
        entry(14, crawl="CC-MAIN-2024-10"), entry(15, rows=MAX_MERGED_ROWS),
    ]  # fmt: skip
    assert added(store, [ENTRIES[0], *strange, ENTRIES[1]], 2) == 1
    task = leased(store, "5Alice")
    assert task.merge and task.merge.roots == (ENTRIES[0].root, ENTRIES[1].root)
    for size in (1, 65):
        with pytest.raises(UsageError, match="a merge is of 2 to 64"):
            added(store, ENTRIES, size)
    with pytest.raises(UsageError, match="a price is above 0"):
        added(store, ENTRIES, 2, 0.0)


def merged_entry(number: int, parts: list[IndexEntry]) -> IndexEntry:
    """What stands in the index for an accepted merge."""
    warcs = tuple(warc for one in parts for warc in one.warcs)
    return entry(number, kind="merge", rows=sum(one.rows for one in parts), warcs=warcs)


def test_a_crawl_becomes_one_dataset(store: Store) -> None:
    """The same call again and again; smaller groups come only when nothing else can."""
    store.add_warcs(CRAWL, paths(8))
    seven = [entry(number) for number in range(7)]
    done = round_of(store, seven)
    assert (done.sizes, done.waiting, done.left, done.missing, done.whole) == ((3, 3), 2, 1, 1, None)
    assert round_of(store, seven).sizes == ()
    every = [*seven, entry(7)]
    assert round_of(store, every).sizes == ()  # the two that are left over wait for the merges
    merges = [merged_entry(100, every[:3]), merged_entry(101, every[3:6])]
    done = round_of(store, [merges[0], *every[3:]])
    assert (done.sizes, done.waiting, done.left, done.missing) == ((3,), 2, 0, 0)  # a whole group is no last one
    third = merged_entry(102, [merges[0], *every[6:]])
    assert round_of(store, [third, *every[3:6]]).sizes == ()
    done = round_of(store, [third, merges[1]])
    assert (done.sizes, done.waiting, done.left) == ((2,), 1, 0)
    whole = merged_entry(103, [third, merges[1]])
    done = round_of(store, [whole])
    assert (done.sizes, done.waiting, done.left, done.whole) == ((), 0, 1, whole)


def test_the_last_datasets_are_merged_without_missing_files_if_so_asked(store: Store) -> None:
    store.add_warcs(CRAWL, paths(8))
    assert round_of(store, ENTRIES[:2]).sizes == ()
    assert round_of(store, ENTRIES[:2], without_missing=True).sizes == (2,)


def test_a_warc_is_merged_once(store: Store) -> None:
    """Of two datasets with a WARC in common, which a redundancy above one makes, only the first is ever merged."""
    again = entry(50, warcs=ENTRIES[0].warcs)
    assert round_of(store, [*ENTRIES[:3], again, ENTRIES[3], ENTRIES[4]], 2).left == 1
    whole = merged_entry(60, ENTRIES[:2])
    assert round_of(store, [whole, again, *ENTRIES[2:5]], 2).left == 0


def test_what_a_crawl_lacks_is_said() -> None:
    """Every state has its next step."""
    said = [
        tasks_merge._remaining(MergeRound((), *numbers), without_missing=False)
        for numbers in ((2, 3, 4), (0, 3, 4), (0, 2, 0), (0, 0, 0), (0, 1, 0, ENTRIES[0]))
    ]
    for line, words in zip(said, (
        "2 merges to be accepted, 3 datasets in no merge, 4 WARC files", "--without-missing", "240,000,000 rows or",
        "No dataset of this crawl", f"one dataset of 100 rows: {ENTRIES[0].place}",
    ), strict=True):  # fmt: skip
        assert words in line


def test_an_accepted_merge_stands_for_its_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the index; until then the parts are named, and a failed merge is leased again."""
    added(store, ENTRIES, 3)
    task = leased(store, "5Alice")
    store.finish("5Alice", task.id, **published(77), block=101)
    assert store.accepted() == []
    store.report("5V", task.id, ScoreRequest(verdict="pass", score=0.9, tokens=2_500), 102)
    (merged,) = store.accepted()
    assert task.merge and merged.merged == task.merge.roots and merged.verified_tokens == 2_500
    known = {one.task: one for one in [*ENTRIES, entry(99, task=merged.id, kind="merge", warcs=tuple(paths(3)))]}
    monkeypatch.setattr(index, "_updated", lambda found, _task: found)
    parts = [
        AcceptedTask(one.task, CRAWL, one.kind, one.hotkey, one.repo, one.revision, one.root, 900, one.warcs)
        for one in ENTRIES
    ]
    found = [one.task for one in entries_of([*parts, merged], known, lambda _: None)]
    gone = set(task.merge.roots)
    assert found == [one.task for one in ENTRIES if one.root not in gone] + [merged.id]
    store.report("5V", task.id, ScoreRequest(verdict="fail", score=0.0), 103)
    again = [leased(store, hotkey).merge for hotkey in ("5Bob", "5Carol")]
    assert store.accepted() == [] and task.merge in again
