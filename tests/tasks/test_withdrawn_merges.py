"""Merges of which a dataset is gone from the Hub: they are withdrawn, and nobody else loses anything."""

from __future__ import annotations

import pytest

from finest.dataset.index import IndexEntry
from finest.errors import VerifyError
from finest.tasks import store as store_module
from finest.tasks.check_assignments import CheckedAssignments
from finest.tasks.check_log import check_log
from finest.tasks.merges import MergeRound
from finest.tasks.models import ScoreRequest, Task
from finest.tasks.recipes import AskedRecipe
from finest.tasks.store import Store
from tests.tasks.samples import CRAWL, paths, published
from tests.tasks.test_merges import ENTRIES, RECIPE, added, entry, leased

ASKED = AskedRecipe("fineweb", RECIPE, "fineweb")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "NUMBER_EVERY_S", -1.0)


def round_without(store: Store, entries: list[IndexEntry], *gone: IndexEntry) -> MergeRound:
    return store.add_merges(CRAWL, ASKED, entries, 3, 0.05, gone={str(one.place) for one in gone})


def stuck(store: Store) -> list[tuple[str, ...]]:
    """The roots of the merges that somebody tried in vain."""
    return [one.roots for one in store.stuck_merges(CRAWL, ASKED, ENTRIES)]


def lease_of(store: Store, one: IndexEntry) -> Task:
    """A lease of the merge with this dataset, of the first of three miners that gets it."""
    tasks = (leased(store, f"5M{number}") for number in range(3))
    return next(task for task in tasks if task.merge and one.root in task.merge.roots)


def test_datasets_are_looked_at_after_a_try_in_vain(store: Store) -> None:
    """Once a miner gave the merge back, or a validator found no evidence; not while somebody is at work on it."""
    added(store, ENTRIES)
    first = leased(store, "5Alice")
    assert first.merge and stuck(store) == []
    store.release("5Alice", first.id, 101)
    assert stuck(store) == [first.merge.roots]
    again = lease_of(store, next(one for one in ENTRIES if one.root in first.merge.roots))
    assert stuck(store) == []
    store.finish(again.hotkey, again.id, **published(78), block=103)
    assert stuck(store) == []
    store.report("5V", again.id, ScoreRequest(verdict="no_evidence", score=0.0), 104)
    assert stuck(store) == [first.merge.roots]


def test_who_deletes_a_dataset_keeps_no_other_from_being_merged(store: Store) -> None:
    """The others come into a new merge; nobody is leased the old one again, and what is gone stays out."""
    added(store, ENTRIES)
    task = lease_of(store, ENTRIES[1])
    done = round_without(store, ENTRIES, ENTRIES[1])
    assert (done.withdrawn, done.sizes, done.waiting, done.left) == (1, (3,), 2, 0)
    store.release(task.hotkey, task.id, 101)
    assert stuck(store) == []
    done = round_without(store, [*ENTRIES, entry(8), entry(9)], ENTRIES[1])
    assert (done.withdrawn, done.left) == (0, 2)
    left = next(one.open for one in store.crawls() if one.kind == "merge")
    given = [leased(store, f"5N{number}").merge for number in range(left)]
    new = next(one for one in given if one and ENTRIES[0].root in one.roots)
    assert new.roots == (ENTRIES[0].root, ENTRIES[2].root, ENTRIES[6].root)
    (merges,) = (one for one in store.crawls() if one.kind == "merge")
    assert (merges.warcs, merges.open, merges.leased, merges.finished) == (3, 0, 2, 0)
    summary = check_log(store.log(0, 20).entries, lists=lambda name: store.warcs_of(name, 0, 10).paths)
    assert summary.events["removed"] == 1 and summary.recomputed == summary.events["leased"]


def test_what_was_made_of_a_withdrawn_merge_is_not_accepted(store: Store) -> None:
    """Else its rows would be twice in the index; nor is the dataset that is gone, which the index named until then."""
    added(store, [])
    task = store.lease("5Bob", 1, 100, crawl=CRAWL)
    place = published(79)
    store.finish("5Bob", task.id, **place, block=101)
    store.report("5V", task.id, ScoreRequest(verdict="pass", score=0.9, tokens=1), 102)
    lost = entry(2, task=task.id, repo=place["repo"], revision=place["revision"], folder=f"tasks/{task.id}")
    three = [lost, entry(20), entry(21)]
    round_without(store, three)
    assert [one.id for one in store.accepted()] == [task.id]
    merge = lease_of(store, lost)
    store.finish(merge.hotkey, merge.id, **published(80), block=103)
    assert round_without(store, three, lost).withdrawn == 1
    store.report("5V", merge.id, ScoreRequest(verdict="pass", score=0.9, tokens=1), 104)
    assert store.accepted() == []


def test_another_miners_copy_takes_the_place_of_what_is_gone(store: Store) -> None:
    """With a redundancy above one, a WARC has several datasets, often with the same root."""
    copy = entry(50, root=ENTRIES[1].root, warcs=ENTRIES[1].warcs)
    added(store, [*ENTRIES[:3], copy])
    assert round_without(store, [*ENTRIES[:3], copy], ENTRIES[1]).sizes == (3,)
    found = lease_of(store, copy).merge
    assert found and [one.place for one in found.inputs] == [str(one.place) for one in (ENTRIES[0], ENTRIES[2], copy)]


def test_only_merges_are_removed_from_a_list(store: Store) -> None:
    """A server that takes WARCs of a crawl away, to steer its draws, is found out by its log."""
    store.add_warcs(CRAWL, paths(3))
    (imported,) = store.log(0, 1).entries
    checked = CheckedAssignments(lambda _: paths(3))
    checked.imported(imported)
    lie = imported.model_copy(update={"what": "removed", "detail": {"crawl": CRAWL, "warcs": paths(1)}})
    with pytest.raises(VerifyError, match="has no merges to remove"):
        checked.removed(lie, [("", paths(1)[0])])
