"""The task server's client: what miners and validators call.

    server = TaskServer(settings.api_url, chain.hotkey, receiver=settings.api_hotkey)
    task = server.lease(4)
    server.finish(task.id, repo, revision, root)

Every call is idempotent. So the client retries a call whose answer got lost, with a new signature, until its deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError

from finest.dataset.packet import Packet
from finest.errors import TaskServerError, UsageError
from finest.tasks.models import (
    WORK_KINDS,
    FinishRequest,
    LeaseRequest,
    LogEntry,
    LogPage,
    RecipeList,
    ReferenceRecipe,
    ScoreRequest,
    SealRequest,
    ServerInfo,
    Statistics,
    Task,
    TaskPage,
    TaskState,
    WarcPage,
)
from finest.tasks.transport import AnswerTooLong, Refused, Transport, plain

if TYPE_CHECKING:
    from finest.chain.wallet import Hotkey

M = TypeVar("M", bound=BaseModel)

PAGE = 200
"""Tasks per page, the most that a server allows."""
MOST_PAGES = 20_000
"""Limit of pages in one list, so that a faulty or malicious server cannot keep the client reading forever."""
LOG_PAGE = 1000
"""Entries of the log per page, the most that a server allows."""
WARC_PAGE = 5000
"""Paths of a crawl's list per page, the most that a server allows."""
MOST_WARCS = 2_000_000
"""Limit of a crawl's list; Common Crawl's have up to 100,000 paths."""
_AFTER_ALL = "~"
"""Sorts behind every id."""


class TaskServer:
    """One task server, asked in the name of one hotkey. Blocking; safe to use from any thread.

    `receiver` is the hotkey that the server must have; without it the server's own word is taken. `deadline_s` is a
    call's whole time, with all its tries; `say` hears why it takes long. When `stop` is set, a call that waits for its
    next try ends at once with the error of the last one. Raises UsageError for a URL that is none.
    """

    def __init__(
        self, url: str | None, hotkey: Hotkey | None, *, receiver: str | None = None, deadline_s: float = 60.0,
        say: Callable[[str], None] = lambda _: None, stop: threading.Event | None = None,
    ) -> None:  # fmt: skip
        self._transport = Transport(url, deadline_s=deadline_s, say=say, stop=stop)
        self.url = self._transport.url
        self._hotkey, self._pinned, self._receiver = hotkey, receiver, None if receiver is None else ""

    def info(self) -> ServerInfo:
        """The server's identity and rules; raises UsageError if its hotkey is not the expected one."""
        found = self._get(ServerInfo, "/v1/info")
        if self._pinned and found.hotkey != self._pinned:
            raise UsageError(
                f"{self.url} has hotkey {plain(found.hotkey)}, and API_HOTKEY is {self._pinned}: another server; "
                "correct API_URL or API_HOTKEY"
            )
        self._receiver = found.hotkey
        return found

    def lease(
        self, warcs: int, *, crawl: str | None = None, besides: str | None = None, recipes: Sequence[str] = ()
    ) -> Task:  # fmt: skip
        """Lease a task; returns an open one unless `besides` names it. Raises Refused.

        `recipes` are the hashes of the recipes that the miner can use for work that asks for one.
        """
        body = _made(
            LeaseRequest, warcs=warcs, crawl=crawl, besides=besides, recipes=list(recipes), kinds=list(WORK_KINDS)
        )
        return self._post("/v1/tasks/lease", body)

    def renew(self, task_id: str) -> Task:
        """Renew the lease. Raises Refused."""
        return self._post(f"/v1/tasks/{quote(task_id, safe='')}/renew")

    def finish(self, task_id: str, repo: str, revision: str, root: str) -> Task:
        """Report what was published; its commitment must be on the chain. Raises Refused."""
        body = _made(FinishRequest, repo=repo, revision=revision, root=root)
        return self._post(f"/v1/tasks/{quote(task_id, safe='')}/finish", body)

    def release(self, task_id: str) -> Task:
        """Release the task. Raises Refused."""
        return self._post(f"/v1/tasks/{quote(task_id, safe='')}/release")

    def report(self, task_id: str, score: ScoreRequest) -> Task:
        """Score a finished task; validators only. Raises Refused."""
        return self._post(f"/v1/tasks/{quote(task_id, safe='')}/scores", score)

    def seal(self, task_id: str, evidence_sha256: str) -> Task:
        """Name the evidence of a verdict that is told later; validators only. Raises Refused."""
        body = _made(SealRequest, evidence_sha256=evidence_sha256)
        return self._post(f"/v1/tasks/{quote(task_id, safe='')}/seal", body)

    def task(self, task_id: str) -> Task:
        """The current state of one task. Raises Refused."""
        return self._get(Task, f"/v1/tasks/{quote(task_id, safe='')}")

    def task_by_commitment(self, hotkey: str, line: str) -> Task:
        """The task that a miner finished with this line. Raises Refused."""
        return self._get(Task, f"/v1/tasks/by-commitment?{urlencode({'hotkey': hotkey, 'line': line})}")

    def tasks_of(self, hotkey: str, limit: int = 20) -> list[Task]:
        """A hotkey's newest tasks, their scores without notes. Raises Refused."""
        return list(islice(self._pages(limit, hotkey=hotkey), limit))

    def tasks(self, state: TaskState) -> Iterator[Task]:
        """Every task in that state, newest first, asked for a page at a time. Raises Refused."""
        return self._pages(PAGE, state=state.value)

    def canaries(self) -> Iterator[Task]:
        """Every task that was revealed as a canary, newest first, asked for a page at a time. Raises Refused."""
        return self._pages(PAGE, canaries="true")

    def statistics(self) -> Statistics:
        """Progress of the crawls, in the order in which the server leases them. Raises Refused."""
        return self._get(Statistics, "/v1/statistics")

    def recipes(self) -> list[ReferenceRecipe]:
        """The recipes that tasks ask for: references, oldest first, then those that only work names. Raises Refused."""
        found = self._get(RecipeList, "/v1/recipes")
        return [*found.recipes, *found.others]

    def log(self) -> Iterator[LogEntry]:
        """Every entry of the server's public log, oldest first, asked for a page at a time. Raises Refused."""
        after = 0
        for _ in range(MOST_PAGES):
            page = self._get(LogPage, f"/v1/log?{urlencode({'after': after, 'limit': LOG_PAGE})}")
            yield from page.entries
            if page.next is None:
                return
            if page.next <= after:
                break
            after = page.next
        raise TaskServerError(f"{self.url} lists events without an end: check API_URL, and tell its operator")

    def warcs_of(self, crawl: str) -> list[str]:
        """A crawl's list of WARCs in the order of import, asked for a page at a time. Raises Refused."""
        paths: list[str] = []
        for _ in range(MOST_PAGES):
            query = urlencode({"after": len(paths), "limit": WARC_PAGE})
            page = self._get(WarcPage, f"/v1/crawls/{quote(crawl, safe='')}/warcs?{query}")
            paths += page.paths
            if page.next is None:
                return paths
            if page.next != len(paths) or not page.paths or len(paths) > MOST_WARCS:
                break
        raise TaskServerError(f"{self.url} lists WARCs without an end: check API_URL, and tell its operator")

    def packet(self, root: str) -> Packet:
        """The pages of the packet with this root; raises Refused, and TaskServerError if the server sends others."""
        found = self._get(Packet, f"/v1/packets/{quote(root, safe='')}")
        if found.choice.root != root:
            raise TaskServerError(f"the task server at {self.url} sends packet {found.choice.root} in place of {root}")
        return found

    def _pages(self, limit: int, **query: str) -> Iterator[Task]:
        """The tasks of all pages. A page that is too long is asked for again with half as many tasks."""
        after: dict[str, str] = {}
        limit = min(limit, PAGE)
        for _ in range(MOST_PAGES):
            try:
                page = self._get(TaskPage, f"/v1/tasks?{urlencode({**query, 'limit': limit, **after})}")
            except AnswerTooLong:
                if limit == 1:
                    raise
                limit //= 2
                continue
            yield from page.tasks
            if page.next is None:
                return
            if page.next >= after.get("after", _AFTER_ALL):
                break
            after = {"after": page.next}
        raise TaskServerError(f"{self.url} lists tasks without an end: check API_URL, and tell its operator")

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _get(self, model: type[M], target: str) -> M:
        return self._transport.call(model, "GET", target)

    def _post(self, target: str, body: BaseModel | None = None) -> Task:
        from finest.chain.auth import sign_request

        hotkey = self._hotkey
        if hotkey is None:
            raise UsageError("this call is made in the name of a hotkey, and none was given")
        data = b"" if body is None else body.model_dump_json(exclude_none=True).encode()
        receiver = self._receiver or self.info().hotkey

        def sign() -> dict[str, str]:
            return sign_request(hotkey, method="POST", target=target, body=data, receiver=receiver)

        try:
            return self._transport.call(Task, "POST", target, data, sign)
        except Refused as refused:
            if refused.details.reason == "wrong-receiver" and not self._pinned:
                self._receiver = None  # the server's key was changed: its next word is taken
            raise


def _made(model: type[M], **values: Any) -> M:
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise UsageError(f"{name} {values.get(name)!r}: {first['msg']}") from error
