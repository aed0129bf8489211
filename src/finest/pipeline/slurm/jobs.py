"""Find a run's jobs on Slurm: their ids, whether they are running, and how to cancel them."""

from __future__ import annotations

import getpass
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from finest.errors import ClusterError, LedgerError
from finest.executors.slurm.units import cancel, stages
from finest.pipeline.submission import ADDRESSES, STAGES, folder_of, read, write

if TYPE_CHECKING:
    from pathlib import Path

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.progress import Progress
    from finest.pipeline.submission import Submission

GONE_S = 60.0
"""How long cancelled jobs may take to end: Slurm kills them after KillWait (30 s by default)."""


def with_job(ledger: Ledger, submission: Submission, stage: str, job: int) -> Submission:
    """Add a job to the submission and save it."""
    more = replace(submission, jobs={**submission.jobs, stage: job})
    write(ledger, more)
    return more


def with_end(ledger: Ledger, submission: Submission, words: str) -> Submission:
    """Mark the submission as ended, save it and remove its addresses."""
    over = replace(submission, ended=words)
    write(ledger, over)
    (folder_of(ledger, submission.run) / ADDRESSES).unlink(missing_ok=True)
    return over


def with_queue(submission: Submission) -> Submission:
    """Add the ids of its unfinished jobs from Slurm's queue, even if they were never saved; raises ClusterError."""
    return replace(submission, jobs={**submission.jobs, **stages(submission.run)})


def latest(out: Path) -> Submission | None:
    """Return the latest submission of the run in `out`, if any."""
    found = [read(path) for path in (out / "ledger" / "slurm").glob("*/submission.json")]
    return max(found, key=lambda one: one.submitted_s, default=None)


def at_work(out: Path) -> Submission | None:
    """Return the submission of `out` whose jobs have not ended, with the ids of all jobs found; None if there is none.

    Raises ClusterError if Slurm cannot be queried.
    """
    found = latest(out)
    if found is None or found.ended is not None:
        return None
    there = stages(found.run)
    return replace(found, jobs={**found.jobs, **there}) if there else None


def leave_to_slurm(out: Path, progress: Progress, *, restart: bool) -> None:
    """Make sure that no Slurm job works in `out`: cancel such jobs with `restart`, else raise LedgerError."""
    found = latest(out)
    if found is None or found.ended is not None:
        return
    try:
        going = at_work(out)
    except ClusterError as error:
        raise LedgerError(
            f"jobs of this run may still be running, and Slurm does not answer: {error}; "
            f"if there are none, remove {out / 'ledger' / 'slurm' / found.run}"
        ) from error
    if going is None:
        return
    if not restart:
        raise LedgerError(
            f"{out} is being refined on Slurm (jobs {_ids(going)}); follow it with: finest attach {out}, "
            f"or stop it with: finest attach {out} --cancel"
        )
    progress.say(f"Cancelling the jobs of the earlier run ({_ids(going)})")
    cancel_all(going)


def cancel_all(submission: Submission) -> list[int]:
    """Cancel the run's jobs by their ids, wait until they have ended and return the ids; raises ClusterError."""
    ids = cancel(submission.run, STAGES)
    end = time.monotonic() + GONE_S
    while ids and stages(submission.run):
        if time.monotonic() > end:
            raise ClusterError(f"jobs {', '.join(map(str, ids))} are cancelled but do not end; see: squeue -j {ids[0]}")
        time.sleep(0.5)
    return ids


def cancel_now(ledger: Ledger, submission: Submission, progress: Progress) -> None:
    """Cancel the run's jobs without waiting for their end, since the user pressed Ctrl-C."""
    ids = cancel(submission.run, STAGES)
    with_end(ledger, submission, "cancelled")
    if ids:
        progress.say(f"Cancelled jobs {', '.join(map(str, ids))}")


def is_own(submission: Submission) -> bool:
    """Return whether this user submitted it; queries of the queue cover only the user's own jobs."""
    return submission.user == getpass.getuser()


def _ids(submission: Submission) -> str:
    return ", ".join(str(job) for job in submission.jobs.values())
