"""The state of a run's Slurm jobs, for `finest status`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from finest.errors import ClusterError
from finest.executors.slurm.units import Unit, Watch, ending_of
from finest.executors.slurm.words import FORGOTTEN, never_starts
from finest.pipeline.slurm.jobs import latest, with_queue


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job of a run."""

    stage: str
    """`slices` or `dataset`."""
    job: int
    states: dict[str, int]
    """Number of the job's tasks by Slurm state."""
    reason: str
    """Slurm's reason why the pending tasks wait; empty if no task is pending."""


@dataclass(frozen=True, slots=True)
class SlurmStatus:
    """The jobs of a run's latest submission."""

    run: str
    partition: str
    jobs: tuple[JobStatus, ...]
    """Empty if the jobs have ended or Slurm does not answer."""
    at_work: bool
    trouble: str | None
    """What failed, in words, or why Slurm cannot be queried."""


def slurm_status(out: Path) -> SlurmStatus | None:
    """Return the state of the run's jobs; None if it was never submitted. Never raises ClusterError."""
    found = latest(out)
    if found is None:
        return None
    partition = found.allotment.partition
    if found.ended is not None:
        trouble = None if found.ended == "finished" else found.ended
        return SlurmStatus(found.run, partition, (), at_work=False, trouble=trouble)
    try:
        found = with_queue(found)
        units = Watch(found.tasks_by_job(), found.run, lag_s=0).look()
        jobs = tuple(_job(found.stage_of(job), job, units) for job in found.tasks_by_job())
        return SlurmStatus(found.run, partition, jobs, any(not unit.is_over for unit in units), _trouble(units))
    except ClusterError as error:
        return SlurmStatus(found.run, partition, (), at_work=False, trouble=str(error))


def _job(stage: str, job: int, units: list[Unit]) -> JobStatus:
    own = [unit for unit in units if unit.job == job]
    reasons = [unit.reason for unit in own if unit.state == "PENDING" and unit.reason]
    return JobStatus(stage, job, dict(Counter(unit.state for unit in own)), reasons[0] if reasons else "")


def _trouble(units: list[Unit]) -> str | None:
    for unit in sorted(units, key=lambda unit: unit.state == "CANCELLED"):
        if unit.is_bad:
            return f"job {unit.id} {ending_of(unit).words()}"
        if why := never_starts(unit.state, unit.reason):
            return f"job {unit.id} can never start: {why} ({unit.reason})"
    if units and all(unit.state == FORGOTTEN for unit in units):
        return "its jobs have ended, and Slurm no longer knows how"
    return None
