"""Retry calls to the Hub and explain its refusals.

huggingface_hub retries uploads and listings by itself, but not commits, repository creation, whoami, repository info,
or reads from the storage behind the Hub. `hub_call` retries every call in the same way, with the waits of
finest/retry.py.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from finest.errors import FinestError, HubError, HubNotFound, HubUnavailable, UsageError
from finest.masking import masked, public_address
from finest.reachable import chain as causes
from finest.reachable import is_passing, lasting
from finest.retry import Backoff, Policy, pause, retry_after_s

T = TypeVar("T")
Say = Callable[[str], None]

RETRY = Policy(first_s=1.0, cap_s=30.0, tries=8, budget_s=900.0, asked_cap_s=330.0)
"""Retry policy for the Hub. Its rate limit has windows of 5 minutes (https://huggingface.co/docs/hub/rate-limits): one
call with all its attempts may take three windows, and a wait that the Hub asks for is honoured up to one window and a
little more."""

_SECRET = re.compile(r"hf_[A-Za-z0-9_]{8,}|(?i:bearer\s+\S+)|(?i:[?&]x-amz-[a-z-]+=\S+)")
_GET_ONE = "make one with write access at https://huggingface.co/settings/tokens, then: hf auth login (or HF_TOKEN=)"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed: HTTP status (None without a response), error code, message, and the wait the Hub asked for."""

    status: int | None
    code: str = ""
    """The Hub's `X-Error-Code`: RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo."""
    words: str = ""
    asked_s: float | None = None

    @property
    def passes(self) -> bool:
        """Whether a retry may succeed."""
        return self.status is None or is_passing(self.status)


def hub_call(what: str, call: Callable[[], T], *, say: Say = lambda _: None, tries: int | None = RETRY.tries) -> T:
    """Return what `call` returns; retry it while the Hub is merely busy or unreachable.

    `what` describes the call for messages ("commit to alice/rows"). `Retry-After` and `RateLimit` are honoured. Raises
    UsageError for an invalid repository name, HubNotFound, HubError if the Hub refuses, HubUnavailable if it does not
    respond. It never raises an error of the client, whose text could contain a signed URL.
    """
    backoff = Backoff(replace(RETRY, tries=tries))
    while isinstance(answer := once(call), Failure):
        if not answer.passes:
            raise refusal(what, answer)
        wait_s = backoff.next_s(answer.asked_s)
        if wait_s is None:
            tries_made = f"after {backoff.failures} tries"
            raise HubUnavailable(f"{what}: {said(answer)}, {tries_made}; run the same command again later")
        say(f"{what}: {said(answer)}; asking again in {wait_s:.1f} s")
        pause(wait_s)
    return answer


def once(call: Callable[[], T]) -> T | Failure:
    """Return what `call` returns, or why it failed; finest's own errors pass through."""
    try:
        return call()
    except FinestError:
        raise
    except _failures() as error:
        return failure_of(error)


def unusable(error: Exception) -> FinestError:
    """Return the error for connections that cannot be set up, such as those through an unsupported kind of proxy."""
    why = lasting(error) or _plain(f"{type(error).__name__}: {error}")
    return UsageError(f"connections to the Hub cannot be set up: {why}")


def refusal(what: str, failure: Failure) -> FinestError:
    """Return the error for a call that no retry can make succeed."""
    if failure.status == 401 and failure.code in ("", "InvalidToken"):
        return HubError(f"{what}: the Hub does not accept this token; {_GET_ONE}")
    if failure.code in ("RepoNotFound", "GatedRepo"):
        return HubNotFound(f"{what}: no such repository, or it is private and the token in use may not read it")
    if failure.code == "RevisionNotFound":
        return HubNotFound(f"{what}: the repository has no such revision")
    if failure.code == "EntryNotFound" or failure.status == 404:
        return HubNotFound(f"{what}: no such file{_quoted(failure)}")
    if failure.status == 403:
        return HubError(f"{what}: the token in use may not do that{_quoted(failure)}; {_GET_ONE}")
    if failure.status == 0:
        return UsageError(f"{what}: {failure.words}")
    return HubError(f"{what}: the Hub refuses with status {failure.status}{_quoted(failure)}")


def no_token() -> HubError:
    """Return the error for a user who is not logged in."""
    return HubError(f"no Hugging Face token: {_GET_ONE}")


def failure_of(error: BaseException) -> Failure:
    """Describe an error of the client; a chain of errors is read from its innermost cause outwards.

    Status 0 marks a mistake in the request. An error for a local file that cannot be read is raised again unchanged.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    for cause in causes(error):
        if isinstance(cause, HfHubHTTPError):
            return _http_failure(cause)
        if isinstance(cause, HFValidationError):
            return Failure(0, words=_plain(str(cause)))
        if isinstance(cause, OfflineModeIsEnabled):
            return Failure(0, words="HF_HUB_OFFLINE is set, which forbids all calls")
        if isinstance(cause, json.JSONDecodeError):
            endpoint = public_address(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
            return Failure(0, words=f"what answers at {endpoint} is not the Hub; check HF_ENDPOINT and the proxy")
        if why := lasting(cause):
            return Failure(0, words=why)
        if isinstance(cause, OSError) and cause.filename is not None:
            raise cause
    if isinstance(error, ImportError):
        raise error
    return Failure(None, words=f"{type(error).__name__}: {_plain(str(error))}")


def _http_failure(error: Any) -> Failure:
    headers = error.response.headers
    code = headers.get("X-Error-Code", "")
    if not code and type(error).__name__ == "RepositoryNotFoundError" and "uthorization" not in str(error):
        code = "RepoNotFound"
    words = _plain(error.server_message or headers.get("X-Error-Message", ""))
    return Failure(error.response.status_code, code, words, _asked_s(headers))


def _asked_s(headers: Any) -> float | None:
    """Return the seconds that a response asks to wait: `Retry-After: 30`, or `RateLimit: "api";r=0;t=55`."""
    asked_s = retry_after_s(headers.get("Retry-After"))
    if asked_s is not None:
        return asked_s
    limited = re.search(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d{1,6})", headers.get("RateLimit", ""))
    return float(limited[1]) if limited else None


def _failures() -> tuple[type[Exception], ...]:
    """Return the client's exceptions: its own (httpx or httpx2, by version), and bare ones of hf_xet and LFS."""
    from huggingface_hub import errors

    http_error: type[Exception] = getattr(errors, "HTTPError", OSError)
    # ImportError: httpx imports its SOCKS support only when a SOCKS proxy is set
    return (http_error, OSError, RuntimeError, ValueError, ImportError)


def said(failure: Failure) -> str:
    """Describe a failure in a few words."""
    if failure.status is None:
        return f"no answer ({failure.words})" if failure.words else "no answer"
    return f"the Hub answers {failure.status}"


def _quoted(failure: Failure) -> str:
    return f" ({failure.words})" if failure.words else ""


def _plain(text: str) -> str:
    """Return the first line of a foreign message, shortened, without control characters and secrets."""
    line = _SECRET.sub("***", masked(text).strip().partition("\n")[0])
    return "".join(char for char in line if char.isprintable())[:200]
