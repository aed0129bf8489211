"""The task server's client: what miners and validators call.

    server = TaskServer(settings.api_url, chain.hotkey, receiver=settings.api_hotkey)
    task = server.lease(4)
    server.finish(task.id, repo, revision, root)

Every call is idempotent. So the client retries a call whose answer got lost, with a new signature, until its deadline.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import requests
from pydantic import BaseModel, ValidationError

from finest.dataset.packet import Packet
from finest.errors import TaskServerError, TaskServerUnavailable, UsageError
from finest.retry import Again, Policy, retry, retry_after_s
from finest.tasks.address import checked, is_loopback
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
from finest.tasks.problems import KINDS, ProblemDetails

if TYPE_CHECKING:
    from finest.chain.wallet import Hotkey

log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)

CONNECT_S = 10.0
RETRY = Policy(first_s=0.5, cap_s=8.0)
LONGEST_ASKED_S = 15.0
"""A refusal that passes within so long (a commitment needs a block) is waited out; who calls decides about longer."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Size limit of an answer. A server of this version ends a page of tasks at 256 KiB; older ones sent up to 25 MB."""
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
_PREFIX = "/problems/"
_USUAL = {429: "rate-limited", 404: "not-found", 413: "body-too-large"}
"""The problem that each status means if a proxy in front of the server sent it."""


class Refused(TaskServerError):
    """The server refused the request. `name` is one of problems.KINDS."""

    def __init__(self, name: str, details: ProblemDetails) -> None:
        hint = "; set this machine's clock (timedatectl)" if details.reason == "stale" else ""
        super().__init__(f"the task server refuses ({name}): {_plain(details.detail)}{hint}")
        self.name, self.details = name, details

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later, after `details.retry_after_s`."""
        return self.name in KINDS and KINDS[self.name].may_pass


class AnswerTooLong(TaskServerError):
    """The answer is longer than MAX_ANSWER_BYTES; the client did not read all of it."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after_s: float | None


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
        self.url = checked(url)
        self._hotkey, self._pinned, self._receiver = hotkey, receiver, None if receiver is None else ""
        self._deadline_s, self._say, self._stop = deadline_s, say, stop
        self._session = requests.Session()
        # No cookies: they are what threads would share of a session.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if urlsplit(self.url).scheme == "http" and not is_loopback(self.url):
            say(f"{self.url} is not https: others on the way can read what is asked, though not change it")

    def info(self) -> ServerInfo:
        """The server's identity and rules; raises UsageError if its hotkey is not the expected one."""
        found = self._get(ServerInfo, "/v1/info")
        if self._pinned and found.hotkey != self._pinned:
            raise UsageError(
                f"{self.url} has hotkey {_plain(found.hotkey)}, and API_HOTKEY is {self._pinned}: another server; "
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
        """The list of reference recipes, oldest entry first. Raises Refused."""
        return self._get(RecipeList, "/v1/recipes").recipes

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
        self._session.close()

    def _get(self, model: type[M], target: str) -> M:
        return self._retried(lambda deadline: self._once(model, "GET", target, None, deadline))

    def _post(self, target: str, body: BaseModel | None = None) -> Task:
        if self._hotkey is None:
            raise UsageError("this call is made in the name of a hotkey, and none was given")
        data = b"" if body is None else body.model_dump_json(exclude_none=True).encode()
        receiver = self._receiver or self.info().hotkey
        return self._retried(lambda deadline: self._once(Task, "POST", target, (data, receiver), deadline))

    def _retried(self, call: Callable[[float], M]) -> M:
        """The result of `call`, made again while the server is away, fails, or refuses for a moment only."""
        deadline = time.monotonic() + self._deadline_s
        return retry(
            lambda: call(deadline),
            RETRY,
            on=(Refused, TaskServerUnavailable),
            again=_again,
            budget_s=self._deadline_s,
            on_wait=lambda problem, wait_s: self._say(f"{problem}; again in {wait_s:.1f} s"),
            stop=self._stop,
        )

    def _once(self, model: type[M], method: str, target: str, signed: tuple[bytes, str] | None, deadline: float) -> M:
        headers, data = {"Accept": "application/json"}, None
        if signed is not None and self._hotkey is not None:
            from finest.chain.auth import sign_request

            data = signed[0]
            headers |= sign_request(self._hotkey, method=method, target=target, body=data, receiver=signed[1])
            headers |= {"Content-Type": "application/json"} if data else {}
        answer = self._send(method, target, headers, data, deadline)
        if 200 <= answer.status < 300:
            return self._read(model, answer)
        refused = self._refusal(answer)
        if refused.details.reason == "wrong-receiver" and not self._pinned:
            self._receiver = None  # the server's key was changed: its next word is taken
        raise refused

    def _send(self, method: str, target: str, headers: dict[str, str], data: bytes | None, deadline: float) -> _Answer:
        left_s = max(0.1, deadline - time.monotonic())
        try:
            with self._session.request(
                method, self.url + target, headers=headers, data=data, timeout=(min(CONNECT_S, left_s), left_s),
                allow_redirects=False, stream=True,
            ) as response:  # fmt: skip
                body = _limited(response, deadline, self.url)
                return _Answer(response.status_code, body, retry_after_s(response.headers.get("Retry-After")))
        except (requests.RequestException, OSError, ValueError) as error:
            raise TaskServerUnavailable(
                f"the task server at {self.url} does not answer ({_reason(error)}): check API_URL and the network"
            ) from error

    def _read(self, model: type[M], answer: _Answer) -> M:
        try:
            return model.model_validate_json(answer.body)
        except ValidationError as error:
            raise TaskServerError(
                f"what {self.url} answers is no {model.__name__} of this version ({error.errors()[0]['msg']}): check "
                "API_URL, and whether server and client have the same version"
            ) from error

    def _refusal(self, answer: _Answer) -> Refused:
        """The problem; a proxy's own refusal is taken for the problem that its status means."""
        details = _details(answer.body)
        if details is None:
            if answer.status in (500, 502, 503, 504):
                raise TaskServerUnavailable(f"the task server at {self.url} is out of order (status {answer.status})")
            name = _USUAL.get(answer.status)
            if name is None:
                raise TaskServerError(f"{self.url} answers {answer.status}, as no task server does: check API_URL")
            details = ProblemDetails(
                type=_PREFIX + name, title="", status=answer.status, detail=f"status {answer.status} from {self.url}"
            )
        if details.retry_after_s is None:
            details = details.model_copy(update={"retry_after_s": answer.retry_after_s})
        return Refused(details.type.removeprefix(_PREFIX), details)


def _made(model: type[M], **values: Any) -> M:
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise UsageError(f"{name} {values.get(name)!r}: {first['msg']}") from error


def _again(problem: Exception) -> Again | None:
    """Whether the client itself makes the same call again: the caller decides about refusals that last."""
    if not isinstance(problem, Refused):
        return Again()
    asked_s = _asked_s(problem)
    return None if asked_s is None else Again(asked_s)


def _asked_s(no: Refused) -> float | None:
    """Seconds that a refusal asks to wait; None where the client does not wait for it."""
    if no.details.reason == "replayed":  # it came twice on its way: the next try is signed anew
        return 0.0
    asked_s = no.details.retry_after_s
    if not no.may_pass or asked_s is None or not 0 <= asked_s <= LONGEST_ASKED_S:
        return None
    return asked_s


def _limited(response: requests.Response, deadline: float, url: str) -> bytes:
    parts, size = [], 0
    for chunk in response.iter_content(64 * 1024):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise AnswerTooLong(f"an answer of {url} is longer than {MAX_ANSWER_BYTES:,} bytes, and was not read")
        if time.monotonic() > deadline:
            raise ValueError("the answer takes too long")
    return b"".join(parts)


def _details(body: bytes) -> ProblemDetails | None:
    try:
        details = ProblemDetails.model_validate(json.loads(body))
    except (ValueError, RecursionError):
        return None
    return details if details.type.startswith(_PREFIX) else None


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words; the outer ones repeat addresses and objects."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _plain(text) or type(error).__name__


def _plain(text: str) -> str:
    """Untrusted text as one printable line."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]
