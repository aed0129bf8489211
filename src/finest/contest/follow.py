"""Follow the competition on the chain: run and decide each round when its pages can be drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.contest.entries import collected, planned
from finest.contest.plan import PLAN_NAME, Plan, saved_plan, write_plan
from finest.contest.round import run_round
from finest.contest.standing import Standing, advance, read_standing, write_standing
from finest.errors import RunError

if TYPE_CHECKING:
    from finest.chain.subnet import Chain
    from finest.contest.calendar import Calendar
    from finest.contest.pool import Progress
    from finest.tasks.client import TaskServer
    from finest.tasks.crawls import CommonCrawl
    from finest.warc.source import Source

STANDING_NAME = "standing.json"


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """Where the rounds are, and how they are run."""

    work: Path
    cache: Path
    tier: int
    device: str | None
    calendar: Calendar
    max_pages: int | None = None
    tokens: int | None = None


class Follower:
    """Runs the rounds of one subnet in one work folder."""

    def __init__(
        self, options: FollowOptions, chain: Chain, sources: Callable[[Sequence[str]], list[Source]],
        paths: Callable[[], Sequence[str]], progress: Progress, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options, self._chain, self._sources, self._paths = options, chain, sources, paths
        self._progress, self._say = progress, say

    @property
    def standing_path(self) -> Path:
        """The file of what stands now, from which the weights of mechanism 1 follow."""
        return self._options.work / STANDING_NAME

    def due(self) -> int | None:
        """Return the round that can be run now and was not decided yet; None if there is none."""
        number = self._options.calendar.newest_ready(self._chain.block())
        return number if number is not None and number > self._standing().number else None

    def run(self, number: int) -> Standing:
        """Run and decide a round, or continue it. Raises what `run_round` and `collected` raise."""
        folder, before = self._options.work / f"round-{number:05d}", self._standing()
        plan = saved_plan(folder / PLAN_NAME) or self._plan(number, before)
        write_plan(folder / PLAN_NAME, plan)
        if not any(not entry.incumbent for entry in plan.entries):
            after = before.model_copy(update={"number": number, "block": plan.block})
            self._say(f"Round {number} has no entry; everything stays as it is")
        else:
            result = run_round(
                plan, folder, self._sources(plan.warcs), self._sources(plan.heldout), self._options.cache,
                device=self._options.device, progress=self._progress, say=self._say,
            )  # fmt: skip
            after, found = advance(before, result, hashlib.sha256(result.to_json()).hexdigest())
            for one in found:
                who = "the incumbent stays" if one.winner is None else f"{one.winner.entry.place} wins"
                self._say(f"Round {number}, track {one.track}: {who}")
        write_standing(self.standing_path, after)
        return after

    def _standing(self) -> Standing:
        return read_standing(self.standing_path)

    def _plan(self, number: int, before: Standing) -> Plan:
        options, calendar = self._options, self._options.calendar
        seed = self._chain.block_hash(calendar.seed(number))
        entries = collected(self._chain, calendar, number, before, self._say)
        paths = self._paths()
        if not paths:
            raise RunError("the task server has no crawl, so no pages can be drawn; its operator adds one")
        plan = planned(number, seed, calendar.close(number), paths, entries, options.tier)
        changed = {"max_pages": options.max_pages, "tokens": options.tokens}
        return plan.model_copy(update={key: value for key, value in changed.items() if value is not None})


class _Paths:
    """A store that only collects the paths that an import adds."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def add_warcs(self, crawl: str, paths: Iterable[str]) -> int:  # noqa: ARG002
        self.paths += paths
        return len(self.paths)


def listed_warcs(server: TaskServer, common_crawl: CommonCrawl, say: Callable[[str], None]) -> list[str]:
    """Return the paths of the crawl that the task server leases first; raises SourceError, TaskServerError.

    Other work on a crawl, as a language of it, is passed over. The list is Common Crawl's own, so that a server cannot
    choose from it.
    """
    names = [work.crawl for work in server.statistics().crawls if work.kind == "crawl"]
    found = _Paths()
    if names:
        common_crawl.import_crawl(found, names[0], say)
    return found.paths
