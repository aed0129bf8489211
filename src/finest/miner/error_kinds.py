"""Every error's kind, in one table: what passes by itself, what ends this task, what a person must mend.

Also how long an error asks to wait; the waits themselves are in retrying.py.
"""

from __future__ import annotations

import errno
import shutil
from enum import Enum, auto
from pathlib import Path

from finest.chain.errors import RateLimited, Unreachable
from finest.errors import (
    FULL_BELOW_BYTES,
    ChainError,
    ClusterError,
    ClusterUnavailable,
    FinestError,
    HubError,
    HubUnavailable,
    JobFailed,
    LeaseLost,
    LedgerError,
    NeedsPerson,
    RecipeError,
    RunError,
    SourceError,
    TaskServerError,
    TaskServerUnavailable,
    UsageError,
    VerifyError,
    plain_os_error,
)
from finest.tasks.client import Refused
from finest.tasks.problems import KINDS
from finest.warc.stream import Interrupted

DEFAULT_WAIT_S = 60.0
"""Where a server says "later" and not when."""


class Kind(Enum):
    """What an error means to a miner."""

    PASSES = auto()
    """The same step is tried again, for ever."""
    TRY_AGAIN = auto()
    """Tried a few times more; what it is if it stays, `at_last` says."""
    LOST = auto()
    """The lease is gone, and the task with it."""
    TASK = auto()
    """This task cannot be done: it is given back, and the next one is taken."""
    PERSON = auto()
    """No restart mends it."""


BY_PROBLEM: dict[str, Kind] = {
    **{name: Kind.PASSES for name, kind in KINDS.items() if kind.may_pass},
    "lease-expired": Kind.LOST,
    "task-closed": Kind.LOST,
    "not-yours": Kind.LOST,
    "not-found": Kind.LOST,
    "already-finished": Kind.TASK,
    "not-finished": Kind.TASK,
    "not-authenticated": Kind.PERSON,
    "not-registered": Kind.PERSON,
    "not-a-validator": Kind.PERSON,
    "body-too-large": Kind.PERSON,
    "invalid-request": Kind.PERSON,
    "method-not-allowed": Kind.PERSON,
}
"""What the task server may answer; what is not here is a newer server's, and a person's to look at."""

_BY_TYPE: tuple[tuple[type[Exception], Kind], ...] = (
    (LeaseLost, Kind.LOST),
    (NeedsPerson, Kind.PERSON),
    (TaskServerUnavailable, Kind.PASSES),
    (TaskServerError, Kind.TRY_AGAIN),
    (HubUnavailable, Kind.PASSES),
    (HubError, Kind.PERSON),
    (Unreachable, Kind.PASSES),
    (RateLimited, Kind.PASSES),
    (ChainError, Kind.PERSON),
    (UsageError, Kind.PERSON),
    (RecipeError, Kind.PERSON),
    (LedgerError, Kind.PERSON),
    (ClusterUnavailable, Kind.PASSES),
    (ClusterError, Kind.PERSON),
    (SourceError, Kind.TRY_AGAIN),
    (JobFailed, Kind.TRY_AGAIN),
    (RunError, Kind.TASK),
    (VerifyError, Kind.TASK),
    (ConnectionError, Kind.PASSES),
    (TimeoutError, Kind.PASSES),
    (OSError, Kind.PERSON),
    (Exception, Kind.TASK),
)
"""The first line that fits decides. A bug (the last line) ends a task; three in a row end the miner."""


def kind_of(error: Exception, work: Path) -> Kind:
    """What an error means; `work` is where the miner writes, since a full disk hides behind many errors."""
    if isinstance(error, Refused):
        if error.name == "not-found" and not error.details.title:
            return Kind.PASSES  # a proxy's own 404, while the server behind it is exchanged
        if error.details.reason in ("stale", "replayed"):
            return Kind.TRY_AGAIN  # a slow line, or a clock that is wrong
        return BY_PROBLEM.get(error.name, Kind.PERSON)
    if isinstance(error, (RunError, OSError, VerifyError)) and is_full(error, work):
        return Kind.PERSON
    if isinstance(error, SourceError) and error.__cause__ is not None:
        return _of_source(error.__cause__)
    return next(kind for type_, kind in _BY_TYPE if isinstance(error, type_))


def _of_source(cause: BaseException) -> Kind:
    """Why a source was not read, as far as it is known: an error that came from a worker has no cause any more."""
    from botocore import exceptions as boto

    if isinstance(cause, (Interrupted, boto.ConnectionError)):
        return Kind.PASSES  # out of reach
    if isinstance(cause, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return Kind.PERSON
    refused = isinstance(cause, boto.ClientError) and cause.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return Kind.PERSON if refused else Kind.TRY_AGAIN


def at_last(error: Exception, work: Path) -> Kind:
    """The kind of an error that is not tried again any more."""
    kind = kind_of(error, work)
    if kind is not Kind.TRY_AGAIN:
        return kind
    return Kind.PERSON if isinstance(error, TaskServerError) else Kind.TASK


def is_full(error: Exception, work: Path) -> bool:
    """Whether an error is that of a full disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return shutil.disk_usage(work).free < FULL_BELOW_BYTES


def words_of(error: Exception, work: Path) -> str:
    """An error in a line that a person can act on."""
    if isinstance(error, Refused) and kind_of(error, work) is Kind.PASSES:
        return error.details.detail  # what it says is a state of things, no mistake
    if isinstance(error, FinestError):
        return str(error)
    if isinstance(error, OSError):
        return plain_os_error(error, work)
    return f"{type(error).__name__}: {error}"


def asked_s(error: Exception, block_time_s: float) -> float | None:
    """Seconds that an error asks for; None where it asks for none."""
    after_s = after_blocks = None
    if isinstance(error, Refused):
        after_s, after_blocks = error.details.retry_after_s, error.details.retry_after_blocks
        if after_s is None and after_blocks is None and error.name in _WAITS:
            return DEFAULT_WAIT_S
    elif isinstance(error, Unreachable):
        after_s = error.retry_after_s
    elif isinstance(error, RateLimited):
        after_blocks = error.retry_after_blocks
    if after_s is None and after_blocks is not None:
        after_s = after_blocks * block_time_s
    return max(0.0, after_s) if after_s is not None else None


_WAITS = ("no-work", "window-full", "too-many-leases")
