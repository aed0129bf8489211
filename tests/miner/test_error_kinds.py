"""The table of errors: every one has a kind, and waits are bounded."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import pytest
from botocore import exceptions as boto

from finest import errors
from finest.chain import errors as chain_errors
from finest.miner.error_kinds import BY_PROBLEM, Kind, asked_s, at_last, kind_of
from finest.miner.retrying import RETRY, TRIES, MinerBackoff
from finest.tasks.problems import KINDS
from finest.warc.stream import Interrupted
from tests.miner.world import refused


def source_error(cause: Exception) -> errors.SourceError:
    error = errors.SourceError(str(cause))
    error.__cause__ = cause
    return error


def s3_says(status: int) -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.TaskServerUnavailable("x"), Kind.PASSES),
        (errors.TaskServerError("x"), Kind.TRY_AGAIN),
        (errors.HubUnavailable("x"), Kind.PASSES),
        (errors.HubNotFound("x"), Kind.PERSON),
        (errors.HubError("no token"), Kind.PERSON),
        (chain_errors.Unreachable("x"), Kind.PASSES),
        (chain_errors.BudgetExceeded("x", 3), Kind.PASSES),
        (chain_errors.NotRegistered("x"), Kind.PERSON),
        (chain_errors.WalletError("x"), Kind.PERSON),
        (chain_errors.UnsupportedRuntime("x"), Kind.PERSON),
        (errors.UsageError("x"), Kind.PERSON),
        (errors.RecipeError("x"), Kind.PERSON),
        (errors.LedgerError("x"), Kind.PERSON),
        (errors.RunError("too many failures"), Kind.TASK),
        (errors.JobFailed("NODE_FAIL"), Kind.TRY_AGAIN),
        (errors.ClusterUnavailable("x"), Kind.PASSES),
        (errors.ClusterError("not installed"), Kind.PERSON),
        (errors.VerifyError("x"), Kind.TASK),
        (errors.SourceError("not found"), Kind.TRY_AGAIN),
        (errors.SourceBusy("refuses every request"), Kind.PASSES),
        (source_error(Interrupted("HTTP 503")), Kind.PASSES),
        (source_error(boto.EndpointConnectionError(endpoint_url="http://x")), Kind.PASSES),
        (source_error(boto.NoCredentialsError()), Kind.PERSON),
        (source_error(s3_says(403)), Kind.PERSON),
        (source_error(s3_says(404)), Kind.TRY_AGAIN),
        (errors.LeaseLost("x"), Kind.LOST),
        (errors.NeedsPerson("x"), Kind.PERSON),
        (OSError(errno.ENOSPC, "No space left on device"), Kind.PERSON),
        (PermissionError(13, "x"), Kind.PERSON),
        (ConnectionResetError("x"), Kind.PASSES),
        (TimeoutError("x"), Kind.PASSES),
        (KeyError("a bug"), Kind.TASK),
        (refused("not-authenticated", reason="stale"), Kind.TRY_AGAIN),
        (refused("not-authenticated", reason="bad-signature"), Kind.PERSON),
        (refused("lease-expired"), Kind.LOST),
        (refused("already-finished"), Kind.TASK),
        (refused("no-work"), Kind.PASSES),
        (refused("not-registered"), Kind.PERSON),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else f"{type(value).__name__}-{value}",
)
def test_every_error_has_its_kind(tmp_path: Path, error: Exception, kind: Kind) -> None:
    """What passes, what is the task's, what a person must mend."""
    assert kind_of(error, tmp_path) is kind


def test_what_stays_after_some_tries_is_somebodys(tmp_path: Path) -> None:
    """A source is the task's, a task server that makes no sense is a person's."""
    backoff = MinerBackoff(12.0)
    for error, last in ((errors.SourceError("x"), Kind.TASK), (errors.TaskServerError("x"), Kind.PERSON)):
        assert at_last(error, tmp_path) is last
    while backoff.goes_on(Kind.TRY_AGAIN):
        backoff.next_s(errors.SourceError("x"))
    assert backoff.tries == TRIES and backoff.goes_on(Kind.PASSES) and not backoff.goes_on(Kind.TASK)


def test_every_no_of_the_task_server_has_a_kind() -> None:
    """And what may pass is waited for."""
    assert set(BY_PROBLEM) == set(KINDS)
    assert all(BY_PROBLEM[name] is Kind.PASSES for name, kind in KINDS.items() if kind.may_pass)


def test_a_full_disk_is_no_fault_of_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker says RunError; the disk says why."""
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100})())
    assert kind_of(errors.RunError("the disk is full"), tmp_path) is Kind.PERSON


def test_waits_grow_with_jitter_up_to_a_bound() -> None:
    """1, 2, 4 ... 300 seconds, each less up to half of it; after a thousand tries too."""
    backoff = MinerBackoff(12.0)
    waits = [backoff.next_s(errors.HubUnavailable("x")) for _ in range(1100)]
    for number, wait_s in enumerate(waits):
        full = min(300.0, 2.0 ** min(number, 40))
        assert full / 2 <= wait_s <= full
    assert len(set(waits)) > 1000


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (refused("no-work", retry_after_s=30.0), 30.0),
        (refused("window-full", retry_after_blocks=10), 120.0),
        (refused("too-many-leases"), 60.0),
        (refused("server-error"), None),
        (chain_errors.RateLimited("x", 5), 60.0),
        (chain_errors.Unreachable("x", 7.0), 7.0),
        (chain_errors.Unreachable("x"), None),
        (errors.HubUnavailable("x"), None),
    ],
)
def test_what_is_asked_for_is_kept(error: Exception, asked: float | None) -> None:
    """Seconds, or blocks of 12 s; jittered, and never longer than a quarter of an hour."""
    assert asked_s(error, 12.0) == asked
    if asked is not None:
        assert asked <= MinerBackoff(12.0).next_s(error) <= asked * 1.1 + 1


def test_nobody_makes_the_miner_sleep_for_hours() -> None:
    """A server that says "in 7,200 blocks" is asked again before."""
    wait_s = MinerBackoff(12.0).next_s(refused("window-full", retry_after_blocks=7200))
    assert RETRY.asked_cap_s <= wait_s <= RETRY.asked_cap_s * 1.1 + 1 and math.isfinite(wait_s)
