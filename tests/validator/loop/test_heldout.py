"""Held-out text comes from WARCs that nobody was given, by the seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from finest.errors import SourceError
from finest.tasks.models import Task, TaskState
from finest.validator.loop.heldout import WARCS, HeldOut
from tests.miner.world import task
from tests.tasks.samples import CRAWL, paths

ALL = paths(20)
SEED = "ab" * 32


class World:
    """A crawl of twenty WARCs, and a task server that has given some of them out."""

    def __init__(self, *, leased: list[str] = (), finished: list[str] = (), run_verdict: list[str] = ()) -> None:  # type: ignore[assignment]
        self._given = {TaskState.LEASED: leased, TaskState.FINISHED: finished}
        self._judged = run_verdict
        self.asked: list[str] = []
        self.said: list[str] = []
        self.away = False

    def tasks(self, state: TaskState) -> Iterator[Task]:
        yield from (task(path, warcs=[path]) for path in self._given[state])

    def assigned(self, crawl: str) -> set[str]:
        self.asked.append(crawl)
        return {f"s3://commoncrawl/{path}" for path in self._judged}

    def import_crawl(self, store: Any, crawl: str, say: Any) -> None:
        if self.away:
            raise SourceError("warc.paths.gz: HTTP 503")
        self.asked.append(f"list of {crawl}")
        store.add_warcs(crawl, ALL)

    def heldout(self) -> HeldOut:
        return HeldOut(self, self, self.said.append)  # type: ignore[arg-type]

    def pick(self, seed: str = SEED, warcs: list[str] | None = None) -> tuple[str, ...]:
        return self.heldout().pick(ALL[:2] if warcs is None else warcs, seed, self)


def test_they_are_some_of_the_same_crawl() -> None:
    """Four of them, none of the task's own, the same for one seed and others for another."""
    world = World()
    found = world.pick()
    assert len(set(found)) == WARCS
    assert set(found) <= set(ALL[2:])
    assert world.pick() == found
    assert {world.pick(f"{number:064x}") for number in range(5)} != {found}


def test_what_anybody_was_given_is_not_taken() -> None:
    """Leased now, finished of late, or judged here before."""
    world = World(leased=ALL[2:6], finished=ALL[6:10], run_verdict=ALL[10:17])
    assert sorted(world.pick()) == ALL[17:]
    assert world.asked[0] == CRAWL


def test_where_all_are_given_out_there_are_none() -> None:
    """The documents that ship are predicted alone then."""
    assert World(run_verdict=ALL).pick() == ()


def test_a_list_that_cannot_be_had_gives_none() -> None:
    """It is said, and asked for again the next time; one that was had is kept."""
    world = World()
    world.away = True
    heldout = world.heldout()
    assert heldout.pick(ALL[:1], SEED, world) == ()
    assert world.said == [f"No held-out text of {CRAWL}: warc.paths.gz: HTTP 503"]
    world.away = False
    assert len(heldout.pick(ALL[:1], SEED, world)) == len(heldout.pick(ALL[:1], SEED, world)) == WARCS
    assert world.asked.count(f"list of {CRAWL}") == 1


def test_a_path_of_no_crawl_has_no_neighbours() -> None:
    """Nothing is asked for."""
    world = World()
    assert (world.pick(warcs=["local.warc.gz"]), world.asked) == ((), [])
