"""Which jobs of a run are on Slurm: their ids, whether they are at work, how they are cancelled."""

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
"""How long cancelled jobs may take to end: Slurm's KillWait is 30 s, then it kills."""


def with_job(ledger: Ledger, submission: Submission, stage: str, job: int) -> Submission:
    """The same with one more job, written down."""
    more = replace(submission, jobs={**submission.jobs, stage: job})
    write(ledger, more)
    return more


def with_end(ledger: Ledger, submission: Submission, words: str) -> Submission:
    """The same, over."""
    over = replace(submission, ended=words)
    write(ledger, over)
    (folder_of(ledger, submission.run) / ADDRESSES).unlink(missing_ok=True)
    return over


def with_queue(submission: Submission) -> Submission:
    """The same with the ids of its jobs that Slurm has not ended, whoever wrote them down; raises ClusterError."""
    return replace(submission, jobs={**submission.jobs, **stages(submission.run)})


def latest(out: Path) -> Submission | None:
    """What was handed in last for the run in `out`."""
    found = [read(path) for path in (out / "ledger" / "slurm").glob("*/submission.json")]
    return max(found, key=lambda one: one.submitted_s, default=None)


def at_work(out: Path) -> Submission | None:
    """The submission of `out` whose jobs are not over, with the ids of all that are found; None where there is none.

    Raises ClusterError where Slurm cannot be asked.
    """
    found = latest(out)
    if found is None or found.ended is not None:
        return None
    there = stages(found.run)
    return replace(found, jobs={**found.jobs, **there}) if there else None


def leave_to_slurm(out: Path, progress: Progress, *, restart: bool) -> None:
    """Return if no Slurm job works in `out`; with `restart` those that do are cancelled, else it is a LedgerError."""
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
    """Cancel the run's jobs, by their ids, and wait until they are gone; gives the ids. Raises ClusterError."""
    ids = cancel(submission.run, STAGES)
    end = time.monotonic() + GONE_S
    while ids and stages(submission.run):
        if time.monotonic() > end:
            raise ClusterError(f"jobs {', '.join(map(str, ids))} are cancelled but do not end; see: squeue -j {ids[0]}")
        time.sleep(0.5)
    return ids


def cancel_now(ledger: Ledger, submission: Submission, progress: Progress) -> None:
    """Cancel the run's jobs and do not wait: whoever pressed Ctrl-C does not either."""
    ids = cancel(submission.run, STAGES)
    with_end(ledger, submission, "cancelled")
    if ids:
        progress.say(f"Cancelled jobs {', '.join(map(str, ids))}")


def is_own(submission: Submission) -> bool:
    """Whether this user handed it in: the queue is asked for one's own jobs alone."""
    return submission.user == getpass.getuser()


def _ids(submission: Submission) -> str:
    return ", ".join(str(job) for job in submission.jobs.values())
