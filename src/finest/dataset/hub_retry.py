"""Retries calls to the Hub, and says what its refusals mean.

huggingface_hub retries uploads and listings by itself, but neither a commit, nor creating a repository, nor whoami, nor
repo info, nor reads from the storage behind it. `hub_call` retries every call alike; the waits are those of
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
"""The Hub's rate limit has windows of 5 minutes (https://huggingface.co/docs/hub/rate-limits): one call may take three
of them with all its tries, and a wait that the Hub asks for is kept for one and a little more."""

_SECRET = re.compile(r"hf_[A-Za-z0-9_]{8,}|(?i:bearer\s+\S+)|(?i:[?&]x-amz-[a-z-]+=\S+)")
_GET_ONE = "make one with write access at https://huggingface.co/settings/tokens, then: hf auth login (or HF_TOKEN=)"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed: an HTTP status, or None where no answer came; what was said; the wait that was asked for."""

    status: int | None
    code: str = ""
    """The Hub's `X-Error-Code`: RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo."""
    words: str = ""
    asked_s: float | None = None

    @property
    def passes(self) -> bool:
        """Whether it is worth to ask again."""
        return self.status is None or is_passing(self.status)


def hub_call(what: str, call: Callable[[], T], *, say: Say = lambda _: None, tries: int | None = RETRY.tries) -> T:
    """What `call` returns, retried while the Hub is merely busy or unreachable.

    `what` says what is done, for messages ("commit to alice/rows"). `Retry-After` and `RateLimit` are honoured.
    Raises UsageError for a name that the Hub cannot have, HubNotFound, HubError where it refuses, HubUnavailable where
    it stays away; never an error of the client's, whose text could hold a signed address.
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
    """What `call` returns, or why it failed; errors of ours pass through."""
    try:
        return call()
    except FinestError:
        raise
    except _failures() as error:
        return failure_of(error)


def unusable(error: Exception) -> FinestError:
    """The error for connections that cannot even be set up, such as those through a proxy of an unknown kind."""
    why = lasting(error) or _plain(f"{type(error).__name__}: {error}")
    return UsageError(f"connections to the Hub cannot be set up: {why}")


def refusal(what: str, failure: Failure) -> FinestError:
    """The error for a call that will never succeed as it is."""
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
    """The error for somebody who is not logged in."""
    return HubError(f"no Hugging Face token: {_GET_ONE}")


def failure_of(error: BaseException) -> Failure:
    """What an error of the client's says. An error around another one is read from the inside out.

    A status of 0 is a mistake in what was asked. A local file that cannot be read is raised again as it is.
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
    """Seconds that an answer asks to wait: `Retry-After: 30`, or `RateLimit: "api";r=0;t=55`."""
    asked_s = retry_after_s(headers.get("Retry-After"))
    if asked_s is not None:
        return asked_s
    limited = re.search(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d{1,6})", headers.get("RateLimit", ""))
    return float(limited[1]) if limited else None


def _failures() -> tuple[type[Exception], ...]:
    """What the client raises: its own tree (of httpx or httpx2, by version), and bare errors from hf_xet and LFS."""
    from huggingface_hub import errors

    http_error: type[Exception] = getattr(errors, "HTTPError", OSError)
    # httpx imports what a SOCKS proxy needs when there is one
    return (http_error, OSError, RuntimeError, ValueError, ImportError)


def said(failure: Failure) -> str:
    """A failure in a few words."""
    if failure.status is None:
        return f"no answer ({failure.words})" if failure.words else "no answer"
    return f"the Hub answers {failure.status}"


def _quoted(failure: Failure) -> str:
    return f" ({failure.words})" if failure.words else ""


def _plain(text: str) -> str:
    """The first line of foreign words, short, without control characters and without anything secret."""
    line = _SECRET.sub("***", masked(text).strip().partition("\n")[0])
    return "".join(char for char in line if char.isprintable())[:200]
