"""Following the competition: each round is run and decided once, and a stopped one continues by its own plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finest.contest import entries as entries_module
from finest.contest import follow as module
from finest.contest import round as round_module
from finest.contest.calendar import Calendar
from finest.contest.follow import Follower, FollowOptions, listed_warcs
from finest.contest.plan import saved_plan
from finest.contest.result import Result
from finest.contest.standing import read_standing

from .test_entries import SHA, Opening, new_salt, sealed, text

CALENDAR = Calendar(round_blocks=100, opening_blocks=20)
PATHS = [f"crawl-data/CC-MAIN-2025-26/{number}.warc.gz" for number in range(20)]


class ChainOf:
    """A chain with one entry in its first round."""

    def __init__(self, block: int) -> None:
        self.number, self.salt = block, new_salt()

    def block(self) -> int:
        return self.number

    def block_hash(self, number: int) -> str:
        return f"0x{number:064x}"

    def texts(self, block: int) -> dict[str, Any]:
        if block == CALENDAR.close(0):
            return {"5a": text("5a", 50, sealed("5a", 20, "d", self.salt).line)}
        return {"5a": text("5a", 110, Opening("alice/better", SHA, self.salt).line)}


@pytest.fixture
def follower(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Follower:
    monkeypatch.setattr(entries_module, "read_submission", lambda _: SimpleNamespace(digest="d"))
    options = FollowOptions(tmp_path, cache, 1, None, CALENDAR, max_pages=100, tokens=5000)

    def sources(specs: Sequence[str]) -> list[Any]:
        return [SimpleNamespace(name=spec) for spec in specs]

    return Follower(options, ChainOf(128), sources, lambda: PATHS, lambda *_: None, lambda _: None)  # type: ignore[arg-type]


def result_of(plan: Any) -> Result:
    return Result(
        plan=plan, version="", libraries={}, tier=1,
        parts={}, runs_on={}, windows=(), reference_tokens=1, budgets={20: 1}, documents=(), near=0, entries=(),
        similar=(),
    )  # fmt: skip


def test_a_round_is_run_when_its_pages_can_be_drawn(
    follower: Follower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the entries, the pages that the block draws, and the settings of the subnet; then it is decided once."""
    plans = []

    def run(plan: Any, *_: object, **__: object) -> Result:
        plans.append(plan)
        return result_of(plan)

    monkeypatch.setattr(module, "run_round", run)
    chain: Any = follower._chain
    assert follower.due() is None
    chain.number = CALENDAR.seed(0)
    assert follower.due() == 0
    follower.run(0)
    (plan,) = plans
    assert [(one.place, one.track, one.hotkey, one.block) for one in plan.entries] == [
        (f"alice/better@{SHA}", 20, "5a", 50)
    ]
    assert (plan.seed, plan.block, plan.tier, plan.max_pages, plan.tokens) == (chain.block_hash(129), 99, 1, 100, 5000)
    assert (len(plan.warcs), len(plan.heldout)) == (10, 4)
    assert read_standing(follower.standing_path).number == 0
    assert follower.due() is None


def test_a_stopped_round_continues_by_its_plan(
    follower: Follower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain is not asked again: a node may have forgotten those blocks."""

    def stop(*_: object, **__: object) -> Result:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_round", stop)
    with pytest.raises(KeyboardInterrupt):
        follower.run(0)
    plan = saved_plan(tmp_path / "round-00000" / "plan.json")
    monkeypatch.setattr(ChainOf, "texts", lambda *_: pytest.fail("asked again"))
    monkeypatch.setattr(module, "run_round", lambda plan, *_, **__: result_of(plan))
    assert follower.run(0).number == 0
    assert saved_plan(tmp_path / "round-00000" / "plan.json") == plan


def test_a_round_without_entries_changes_nothing(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is read for it."""
    monkeypatch.setattr(ChainOf, "texts", lambda *_: {})
    monkeypatch.setattr(round_module, "Pool", lambda *_: pytest.fail("a page was read"))
    assert follower.run(0).number == 0
    assert follower.run(1).wins == ()


def test_the_pool_is_drawn_from_the_crawl_that_the_server_leases_first() -> None:
    """All of its WARCs, even if a language of a crawl pays more and is leased before; none without a crawl."""
    works = [
        ("language", "CC-MAIN-2025-26.deu_Latn.0123abcd"), ("crawl", "CC-MAIN-2025-26"), ("crawl", "CC-MAIN-2024-51"),
    ]  # fmt: skip
    crawls = [SimpleNamespace(kind=kind, crawl=name) for kind, name in works]
    server: Any = SimpleNamespace(statistics=lambda: SimpleNamespace(crawls=crawls))
    lists: Any = SimpleNamespace(import_crawl=lambda store, crawl, _: store.add_warcs(crawl, [f"{crawl}/1"]))
    assert listed_warcs(server, lists, lambda _: None) == ["CC-MAIN-2025-26/1"]
    crawls.clear()
    assert listed_warcs(server, lists, lambda _: None) == []
