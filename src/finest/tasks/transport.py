"""One call of the task server: sent, signed anew for each try, read up to a limit of bytes, and retried."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError

from finest.errors import TaskServerError, TaskServerUnavailable, UsageError
from finest.retry import Again, Policy, retry, retry_after_s
from finest.tasks.problems import KINDS, ProblemDetails

M = TypeVar("M", bound=BaseModel)

CONNECT_S = 10.0
RETRY = Policy(first_s=0.5, cap_s=8.0)
LONGEST_ASKED_S = 15.0
"""A refusal that passes within so long (a commitment needs a block) is waited out; who calls decides about longer."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Size limit of an answer. A server of this version ends a page of tasks at 256 KiB; older ones sent up to 25 MB."""
_PREFIX = "/problems/"
_USUAL = {429: "rate-limited", 404: "not-found", 413: "body-too-large"}
"""The problem that each status means if a proxy in front of the server sent it."""


class Refused(TaskServerError):
    """The server refused the request. `name` is one of problems.KINDS."""

    def __init__(self, name: str, details: ProblemDetails) -> None:
        hint = "; set this machine's clock (timedatectl)" if details.reason == "stale" else ""
        super().__init__(f"the task server refuses ({name}): {plain(details.detail)}{hint}")
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


class Transport:
    """Calls one task server until it answers or the deadline is over. Blocking; safe to use from any thread.

    `deadline_s` is a call's whole time, with all its tries; `say` hears why it takes long. When `stop` is set, a call
    that waits for its next try ends at once with the error of the last one. Raises UsageError for a URL that is none.
    """

    def __init__(
        self, url: str | None, *, deadline_s: float, say: Callable[[str], None], stop: threading.Event | None
    ) -> None:  # fmt: skip
        self.url = _checked(url)
        self._deadline_s, self._say, self._stop = deadline_s, say, stop
        self._session = requests.Session()
        # No cookies: they are what threads would share of a session.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if urlsplit(self.url).scheme == "http" and not _is_loopback(self.url):
            say(f"{self.url} is not https: others on the way can read what is asked, though not change it")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call(
        self, model: type[M], method: str, target: str, data: bytes | None = None,
        sign: Callable[[], dict[str, str]] | None = None,
    ) -> M:  # fmt: skip
        """Return the answer as `model`. `sign` gives the headers that sign a try.

        The call is made again while the server is away, fails, or refuses for a moment only. Raises Refused,
        TaskServerUnavailable, and TaskServerError for an answer that no task server gives.
        """
        deadline = time.monotonic() + self._deadline_s
        return retry(
            lambda: self._once(model, method, target, data, sign, deadline),
            RETRY,
            on=(Refused, TaskServerUnavailable),
            again=_again,
            budget_s=self._deadline_s,
            on_wait=lambda problem, wait_s: self._say(f"{problem}; again in {wait_s:.1f} s"),
            stop=self._stop,
        )

    def _once(
        self, model: type[M], method: str, target: str, data: bytes | None,
        sign: Callable[[], dict[str, str]] | None, deadline: float,
    ) -> M:  # fmt: skip
        headers = {"Accept": "application/json"} | (sign() if sign else {})
        if data:
            headers["Content-Type"] = "application/json"
        answer = self._send(method, target, headers, data, deadline)
        if 200 <= answer.status < 300:
            return self._read(model, answer)
        raise self._refusal(answer)

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


def _checked(url: str | None) -> str:
    if not url:
        raise UsageError("API_URL is not set: write API_URL=https://<the task server> in .env or in the environment")
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise UsageError("API_URL is no address of a task server: https://host or https://host:port, nothing after it")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


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
    return plain(text) or type(error).__name__


def plain(text: str) -> str:
    """Untrusted text as one printable line."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]
