"""Choose the WARCs for held-out text: by the seed, from the same crawl, and never assigned to a miner."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Protocol

from finest.errors import FinestError, TaskServerUnavailable
from finest.tasks.client import PAGE
from finest.tasks.crawls import CommonCrawl, Say
from finest.tasks.models import TaskState
from finest.validator.seed import Draw
from finest.validator.subject import COMMON_CRAWL

if TYPE_CHECKING:
    from finest.tasks.client import TaskServer

WARCS = 4
"""Number of WARCs. One holds about 15 million tokens of refined English; four are used so that the hosts of one WARC do
not decide."""
_CRAWL = re.compile(r"(?:crawl-data|packets)/([^/]+)/")


class AssignedWarcs(Protocol):
    """The part of the queue that this module uses."""

    def assigned(self, crawl: str) -> set[str]:
        """Return the WARCs of a crawl in submissions that have a verdict, named as in the rows."""


class HeldOut:
    """Lists the WARCs of the crawls that tasks come from; each list is fetched once."""

    def __init__(self, common_crawl: CommonCrawl, server: TaskServer, say: Say) -> None:
        self._common_crawl, self._server, self._say = common_crawl, server, say
        self._paths: dict[str, list[str]] = {}
        self._taken: set[str] = set()
        """WARCs that were leased or unjudged when the task server last answered."""

    def pick(self, warcs: Sequence[str], seed: str, queue: AssignedWarcs) -> tuple[str, ...]:
        """Return paths of WARCs that are not assigned, chosen by the seed; fewer or none if all are assigned.

        `queue` knows the WARCs of submissions that have a verdict. A crawl whose list cannot be fetched gives no paths;
        only the shipped documents are then predicted, with a larger error.
        """
        crawls = {found[1] for warc in warcs if (found := _CRAWL.search(warc))}
        taken = {*warcs, *self._leased_or_unjudged()}
        for crawl in crawls:
            taken |= {name.removeprefix(COMMON_CRAWL) for name in queue.assigned(crawl)}
        paths = [path for crawl in sorted(crawls) for path in self._list(crawl) if path not in taken]
        return tuple(paths[place] for place in Draw(seed, "held-out WARCs").sample(len(paths), WARCS))

    def _leased_or_unjudged(self) -> set[str]:
        """Return the WARCs of open leases, and of the tasks finished last, which may have no verdict yet.

        While the task server is away, these are the ones that it named last: it leases no others.
        """
        tasks = chain(self._server.tasks(TaskState.LEASED), islice(self._server.tasks(TaskState.FINISHED), PAGE))
        with suppress(TaskServerUnavailable):
            self._taken = {path for task in tasks for path in task.warcs}
        return self._taken

    def _list(self, crawl: str) -> list[str]:
        if crawl not in self._paths:
            listed = _ListStore()
            try:
                self._common_crawl.import_crawl(listed, crawl, self._say)
            except FinestError as error:
                self._say(f"No held-out text of {crawl}: {error}")
                return []
            self._paths[crawl] = listed.paths
        return self._paths[crawl]


class _ListStore:
    """A store that only collects the paths that an import adds."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def add_warcs(self, crawl: str, paths: Iterable[str]) -> int:  # noqa: ARG002
        self.paths += paths
        return len(self.paths)
