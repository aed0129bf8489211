"""What became of each task of a run's jobs, as far as Slurm knows."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from finest.cluster.commands import CommandRefused, slurm
from finest.cluster.jobs import AccountedJob, QueuedJob, accounts, queue
from finest.errors import ClusterError, ClusterUnavailable
from finest.executors.slurm.words import COMPLETED, FORGOTTEN, ending, is_ended

LAG_S = 30.0
"""How long a task may be neither in the queue nor in the accounts before it counts as forgotten; 3 s were seen."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One task of one job."""

    job: int
    task: int
    state: str
    reason: str = ""
    node: str = ""

    @property
    def id(self) -> str:
        """As Slurm writes it."""
        return f"{self.job}_{self.task}"

    @property
    def is_over(self) -> bool:
        return is_ended(self.state)

    @property
    def is_bad(self) -> bool:
        return self.is_over and self.state not in (COMPLETED, FORGOTTEN)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ended: from the accounts, else from what the controller still knows."""

    unit: Unit
    exit_code: int | None = None
    signal: int | None = None

    def words(self) -> str:
        """`job 12_3 was killed by SIGKILL on node n7 (FAILED, exit code 0:9)`."""
        where = f" on node {self.unit.node}" if self.unit.node else ""
        code = f", exit code {self.exit_code}:{self.signal or 0}" if self.exit_code is not None else ""
        return f"{ending(self.unit.state, self.exit_code, self.signal)}{where} ({self.unit.state}{code})"


class Watch:
    """The tasks of `jobs` ({job id: its number of tasks}) that are the run's; remembers how they ended.

    The queue tells of ended jobs for minutes (MinJobAge); for what it has dropped the accounts are asked, and where
    there are none the task is FORGOTTEN.
    """

    def __init__(
        self, jobs: Mapping[int, int], run: str, say: Callable[[str], None] = lambda _: None, *, lag_s: float = LAG_S
    ) -> None:
        self._jobs, self._run, self._say, self._lag_s = dict(jobs), run, say, lag_s
        self._silent = False
        self._known: dict[tuple[int, int], Unit] = {}
        self._missing_since: float | None = None

    def look(self) -> list[Unit]:
        """Every task, in the order of the jobs; raises ClusterError where Slurm does not answer."""
        seen = self._seen()
        self._known |= seen
        missing = {key for key in self._keys() if key not in seen and not self._is_over(key)}
        if missing:
            self._known |= self._accounted(missing)
            self._forget(missing)
        else:
            self._missing_since = None
        return [self._known.get(key, Unit(*key, "UNKNOWN")) for key in self._keys()]

    def patient_look(self) -> list[Unit] | None:
        """The same; None while Slurm does not answer, which may pass: the jobs go on meanwhile."""
        try:
            units = self.look()
        except ClusterUnavailable as error:
            if not self._silent:
                self._say(f"Slurm does not answer; its jobs keep running: {error}")
            self._silent = True
            return None
        if self._silent:
            self._say("Slurm answers again")
        self._silent = False
        return units

    def _keys(self) -> list[tuple[int, int]]:
        return [(job, task) for job, tasks in self._jobs.items() for task in range(tasks)]

    def _is_over(self, key: tuple[int, int]) -> bool:
        return key in self._known and self._known[key].is_over

    def _seen(self) -> dict[tuple[int, int], Unit]:
        rows = [row for row in queue(self._jobs, ended=True) if is_of(row, self._run)]
        return {
            (row.job, task): Unit(row.job, task, row.state, row.reason, row.nodes)
            for row in rows
            for task in row.tasks or ()
        }

    def _accounted(self, missing: set[tuple[int, int]]) -> dict[tuple[int, int], Unit]:
        rows = _accounts({job for job, _ in missing})
        found = {
            (row.job, task): Unit(row.job, task, row.state, node=row.nodes)
            for row in rows
            if row.step is None and is_ended(row.state)
            for task in row.tasks or ()
        }
        return {key: unit for key, unit in found.items() if key in missing}

    def _forget(self, missing: set[tuple[int, int]]) -> None:
        left = {key for key in missing if not self._is_over(key)}
        now = time.monotonic()
        self._missing_since = (self._missing_since or now) if left else None
        if self._missing_since is not None and now - self._missing_since >= self._lag_s:
            self._known |= {key: Unit(*key, FORGOTTEN) for key in left}


def is_of(row: QueuedJob, run: str) -> bool:
    """Whether a record of the queue is the run's: after a cluster was made anew, its ids are others' jobs."""
    return stage_in(row, run) is not None


def job_name(run: str, stage: str) -> str:
    """The name of the job of a stage, by which it can be cancelled even where the queue cannot be read."""
    return f"{run}-{stage}"


def comment(run: str, stage: str) -> str:
    """The comment of the same job."""
    return f"{run}/{stage}"


def stage_in(row: QueuedJob, run: str) -> str | None:
    """The stage of the run that the job is: by its comment, or by its name where a site has replaced that."""
    for said, between in ((row.comment, "/"), (row.name, "-")):
        if said.startswith(run + between) and "\n" not in said:
            return said.removeprefix(run + between)
    return None


def stages(run: str) -> dict[str, int]:
    """The run's jobs that Slurm has not ended, by the stage that comment or name tells of; raises ClusterError.

    This finds what was submitted by a process that died before it could write the ids down.
    """
    return {stage: row.job for row in queue() if (stage := stage_in(row, run)) is not None}


def submitted(run: str, stage: str) -> int | None:
    """The id of the job of a stage, ended or not, as the queue has it; raises ClusterError."""
    return max((row.job for row in queue(ended=True) if stage_in(row, run) == stage), default=None)


def cancel(run: str, known: Iterable[str] = ()) -> list[int]:
    """Cancel the run's jobs and give their ids; raises ClusterError.

    They are found in the queue. Where that cannot be read, the jobs of the `known` stages are cancelled by their names,
    which are no other run's, and the error is raised after that.
    """
    try:
        ids = sorted(set(stages(run).values()))
    except ClusterUnavailable:
        raise
    except ClusterError:
        for stage in known:
            slurm("scancel", "--quiet", f"--user={os.getuid()}", f"--name={job_name(run, stage)}")
        raise
    if ids:
        slurm("scancel", "--quiet", *map(str, ids))
    return ids


def ending_of(unit: Unit, *, lag_s: float = 3.0) -> Ending:
    """How a task ended, to the exit code; the accounts are given `lag_s` to hear of it. Raises ClusterError."""
    end = time.monotonic() + lag_s
    while True:
        rows = [row for row in _accounts({unit.job}) if row.tasks == (unit.task,)]
        own = next((row for row in rows if row.step is None and is_ended(row.state)), None)
        if own is not None:
            return _from_accounts(unit, own, rows)
        told = _told(unit)
        if told is not None or time.monotonic() >= end:
            return told or Ending(unit)
        time.sleep(0.2)


def _from_accounts(unit: Unit, own: AccountedJob, rows: list[AccountedJob]) -> Ending:
    """Where processes were started by srun, only the step knows that memory ran out."""
    state = "OUT_OF_MEMORY" if any(row.state == "OUT_OF_MEMORY" for row in rows) else own.state
    return Ending(Unit(unit.job, unit.task, state, unit.reason, own.nodes or unit.node), own.exit_code, own.signal)


def _told(unit: Unit) -> Ending | None:
    """From `scontrol show job`, which forgets within minutes."""
    try:
        told = slurm("scontrol", "show", "job", "-o", unit.id)
    except CommandRefused:
        return None
    # The first of each: before it stands only what Slurm itself writes, and the name that is ours.
    code = re.search(r" ExitCode=([0-9]+):([0-9]+)", told)
    node = re.search(r" NodeList=(\S+)", told)
    if code is None:
        return None
    name = node[1] if node and node[1] != "(null)" else unit.node
    return Ending(Unit(unit.job, unit.task, unit.state, unit.reason, name), int(code[1]), int(code[2]))


def _accounts(jobs: set[int]) -> list[AccountedJob]:
    """The accounts, or nothing where the cluster keeps none or they do not answer: the queue goes on without them."""
    try:
        return accounts(jobs)
    except CommandRefused:
        return []
