"""Classify every error in one table: transient, ends this task, or needs the operator.

It also tells how long an error asks to wait; the waits themselves are in retrying.py.
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
    NoRoom,
    RecipeError,
    RunError,
    SourceBusy,
    SourceError,
    TaskServerError,
    TaskServerUnavailable,
    UsageError,
    VerifyError,
    plain_os_error,
)
from finest.tasks.problems import KINDS
from finest.tasks.transport import Refused
from finest.warc.stream import Interrupted

DEFAULT_WAIT_S = 60.0
"""Wait if a server asks to retry later without a time."""


class Kind(Enum):
    """The consequence of an error for a miner."""

    PASSES = auto()
    """Transient: the same step is retried without limit."""
    TRY_AGAIN = auto()
    """Retried a few times; `at_last` gives the kind of an error that persists."""
    LOST = auto()
    """The lease is gone, and the task with it."""
    TASK = auto()
    """This task cannot be done: the miner releases it and takes the next one."""
    PERSON = auto()
    """No restart fixes it; the operator must."""


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
"""Kinds of the task server's error responses. An unlisted one comes from a newer server and needs the operator."""

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
    (SourceBusy, Kind.PASSES),
    (SourceError, Kind.TRY_AGAIN),
    (JobFailed, Kind.TRY_AGAIN),
    (NoRoom, Kind.PERSON),
    (RunError, Kind.TASK),
    (VerifyError, Kind.TASK),
    (ConnectionError, Kind.PASSES),
    (TimeoutError, Kind.PASSES),
    (OSError, Kind.PERSON),
    (Exception, Kind.TASK),
)
"""Kinds by exception type; the first match decides. A bug (last line) ends a task; three in a row end the miner."""


def kind_of(error: Exception, work: Path) -> Kind:
    """Return the kind of an error; `work` is the miner's folder, as a full disk can be behind many errors."""
    if isinstance(error, Refused):
        if error.name == "not-found" and not error.details.title:
            return Kind.PASSES  # a proxy's own 404 while the server behind it is replaced
        if error.details.reason in ("stale", "replayed"):
            return Kind.TRY_AGAIN  # a slow connection, or a wrong clock
        return BY_PROBLEM.get(error.name, Kind.PERSON)
    if isinstance(error, (RunError, OSError, VerifyError)) and is_full(error, work):
        return Kind.PERSON
    if isinstance(error, SourceError) and error.__cause__ is not None:
        return _of_source(error.__cause__)
    return next(kind for type_, kind in _BY_TYPE if isinstance(error, type_))


def _of_source(cause: BaseException) -> Kind:
    """Classify a source error by its cause, if known: an error that came from a worker has lost its cause."""
    from botocore import exceptions as boto

    if isinstance(cause, (Interrupted, boto.ConnectionError)):
        return Kind.PASSES  # unreachable
    if isinstance(cause, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return Kind.PERSON
    refused = isinstance(cause, boto.ClientError) and cause.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return Kind.PERSON if refused else Kind.TRY_AGAIN


def at_last(error: Exception, work: Path) -> Kind:
    """Return the kind of an error that is not retried any more."""
    kind = kind_of(error, work)
    if kind is not Kind.TRY_AGAIN:
        return kind
    return Kind.PERSON if isinstance(error, TaskServerError) else Kind.TASK


def is_full(error: Exception, work: Path) -> bool:
    """Return whether a full disk explains the error."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return shutil.disk_usage(work).free < FULL_BELOW_BYTES


def words_of(error: Exception, work: Path) -> str:
    """Describe an error in a line that a person can act on."""
    if isinstance(error, Refused) and kind_of(error, work) is Kind.PASSES:
        return error.details.detail  # the detail describes a state, not a mistake
    if isinstance(error, FinestError):
        return str(error)
    if isinstance(error, OSError):
        return plain_os_error(error, work)
    return f"{type(error).__name__}: {error}"


def asked_s(error: Exception, block_time_s: float) -> float | None:
    """Return the seconds that an error asks to wait; None if it does not ask."""
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
