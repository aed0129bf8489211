"""Read the job queue and the job accounting."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from finest.cluster.commands import TIMEOUT_S
from finest.cluster.framed import delimited, records, unreadable

_QUEUE = ("%F", "%i", "%T", "%r", "%N", "%j", "%k")
_ACCOUNT = ("JobID", "State", "ExitCode", "ElapsedRaw", "MaxRSS", "NodeList", "JobName")
_MEMORY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """One record of the queue: a job, a started task of an array, or all waiting tasks of an array."""

    job: int
    """The job's id; for an array, the array's id as `sbatch` printed it."""
    tasks: tuple[int, ...] | None
    """Indices of the array's tasks that this record represents; None if the job is not an array."""
    state: str
    """Slurm's state: PENDING, RUNNING, COMPLETING, ..."""
    reason: str
    """Why it waits or how it ended: Priority, Resources, DependencyNeverSatisfied, NonZeroExitCode, ...; may be
    empty."""
    nodes: str
    comment: str
    """Free text by the job's owner or the site."""
    name: str = ""
    """Free text by the job's owner or the site."""


@dataclass(frozen=True, slots=True)
class AccountedJob:
    """One record of the accounting: a job, a task of an array, or a step of either."""

    job: int
    tasks: tuple[int, ...] | None
    """Like `QueuedJob.tasks`."""
    step: str | None
    """The step: `batch`, `extern`, `0`, ...; None for the job itself."""
    state: str
    """Slurm's state: COMPLETED, FAILED, TIMEOUT, OUT_OF_MEMORY, CANCELLED, NODE_FAIL, ..."""
    exit_code: int
    signal: int
    elapsed_s: int
    memory_bytes: int | None
    """Peak memory of any process of the step (MaxRSS, sampled); None for the job itself."""
    nodes: str
    name: str


def queue(jobs: Collection[int] | None = None, *, ended: bool = False, timeout_s: float = TIMEOUT_S) -> list[QueuedJob]:
    """Return this user's records of the queue, only those of `jobs` if given. Raises ClusterError.

    With `ended`, include jobs that ended recently (MinJobAge, 300 s by default).

    The ids are not passed to `squeue`, because it fails when it has forgotten all of them.
    """
    states = ["--states=all"] if ended else []
    told = records("squeue", f"--user={os.getuid()}", *states, fields=_QUEUE, timeout_s=timeout_s)
    found = [parse_queued(record) for record in told]
    return [one for one in found if jobs is None or one.job in jobs]


def accounts(jobs: Collection[int], *, timeout_s: float = TIMEOUT_S) -> list[AccountedJob]:
    """Return the accounting records of `jobs` and their steps. Raises ClusterError.

    Records appear late: up to 3 s after submission there are none. A requeued job has only the record of its latest
    run.
    """
    if not jobs:
        return []
    named = ",".join(map(str, sorted(jobs)))
    told = delimited("sacct", "-j", named, fields=_ACCOUNT, timeout_s=timeout_s)
    return [parse_accounted(record) for record in told]


def parse_queued(record: Sequence[str]) -> QueuedJob:
    """Parse one record of squeue with the fields of _QUEUE; raise ClusterError if it is invalid."""
    job, id_, state, reason, nodes, name, comment = record
    reason, comment = ("" if told in {"None", "(null)"} else told for told in (reason, comment))
    reason = " ".join(reason.split())
    try:
        return QueuedJob(int(job), _tasks(id_), state, reason, nodes, comment, name)
    except ValueError:
        raise unreadable("squeue") from None


def parse_accounted(record: Sequence[str]) -> AccountedJob:
    """Parse one record of sacct with the fields of _ACCOUNT; raise ClusterError if it is invalid."""
    try:
        return _accounted(record)
    except (ValueError, IndexError):
        raise unreadable("sacct") from None


def _accounted(record: Sequence[str]) -> AccountedJob:
    id_, state, code, elapsed, memory, nodes, name = record
    whole, _, step = id_.partition(".")
    exit_code, _, signal = code.partition(":")
    return AccountedJob(
        job=int(re.split(r"[_+]", whole)[0]),
        tasks=_tasks(whole),
        step=step or None,
        state=state.split()[0],  # "CANCELLED by 1000"
        exit_code=int(exit_code or 0),
        signal=int(signal or 0),
        elapsed_s=int(elapsed or 0),
        memory_bytes=_bytes(memory),
        nodes="" if nodes == "None assigned" else nodes,
        name=name,
    )


def _tasks(id_: str) -> tuple[int, ...] | None:
    """Parse the tasks of an id: `31` -> None, `31_7` -> (7,), `31_[0-2,5,8-12:2%3]` -> (0, 1, 2, 5, 8, 10, 12)."""
    _, array, listed = id_.partition("_")
    if not array:
        return None
    found: list[int] = []
    for part in listed.strip("[]").partition("%")[0].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        found += range(int(first), int(last or first) + 1, int(step or 1))
    return tuple(found)


def _bytes(told: str) -> int | None:
    """Parse a size such as `982736K` or `1.5G` into bytes; None if it is empty."""
    match = re.fullmatch(r"([\d.]+)([KMGT]?)", told)
    return int(float(match[1]) * _MEMORY[match[2]]) if match else None
