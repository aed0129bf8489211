"""The state and the ending of each task of a run's jobs, as far as Slurm knows."""

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
"""How long a task may be missing from both queue and accounting before it counts as forgotten; up to 3 s observed."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One task of a job, and its state."""

    job: int
    task: int
    state: str
    reason: str = ""
    node: str = ""

    @property
    def id(self) -> str:
        """The task's id as Slurm writes it."""
        return f"{self.job}_{self.task}"

    @property
    def is_over(self) -> bool:
        return is_ended(self.state)

    @property
    def is_bad(self) -> bool:
        return self.is_over and self.state not in (COMPLETED, FORGOTTEN)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ended: from the accounting, else from what the controller still knows."""

    unit: Unit
    exit_code: int | None = None
    signal: int | None = None

    def words(self) -> str:
        """Describe the ending, e.g. `was killed by SIGKILL on node n7 (FAILED, exit code 0:9)`."""
        where = f" on node {self.unit.node}" if self.unit.node else ""
        code = f", exit code {self.exit_code}:{self.signal or 0}" if self.exit_code is not None else ""
        return f"{ending(self.unit.state, self.exit_code, self.signal)}{where} ({self.unit.state}{code})"


class Watch:
    """Watches the run's tasks in `jobs` ({job id: number of tasks}) and remembers how they ended.

    The queue shows ended jobs only for minutes (MinJobAge). After that it asks the accounting; a task that is not there
    either is FORGOTTEN.
    """

    def __init__(
        self, jobs: Mapping[int, int], run: str, say: Callable[[str], None] = lambda _: None, *, lag_s: float = LAG_S
    ) -> None:
        self._jobs, self._run, self._say, self._lag_s = dict(jobs), run, say, lag_s
        self._silent = False
        self._known: dict[tuple[int, int], Unit] = {}
        self._missing_since: float | None = None

    def look(self) -> list[Unit]:
        """Return every task, in the order of the jobs; raises ClusterError if Slurm does not answer."""
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
        """Return the tasks as `look` does, or None while Slurm does not answer: the jobs keep running meanwhile."""
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
    """Return whether a queue entry belongs to the run: a cluster that was set up again reuses job ids."""
    return stage_in(row, run) is not None


def job_name(run: str, stage: str) -> str:
    """Return the job name of a stage, by which it can be cancelled even if the queue cannot be read."""
    return f"{run}-{stage}"


def comment(run: str, stage: str) -> str:
    """Return the comment of a stage's job."""
    return f"{run}/{stage}"


def stage_in(row: QueuedJob, run: str) -> str | None:
    """Return the stage of the run that the job is, by its comment, or by its name if a site replaced the comment."""
    for said, between in ((row.comment, "/"), (row.name, "-")):
        if said.startswith(run + between) and "\n" not in said:
            return said.removeprefix(run + between)
    return None


def stages(run: str) -> dict[str, int]:
    """Return the run's unfinished jobs by stage, found by their comment or name; raises ClusterError.

    This also finds the jobs of a submitting process that died before it could record their ids.
    """
    return {stage: row.job for row in queue() if (stage := stage_in(row, run)) is not None}


def submitted(run: str, stage: str) -> int | None:
    """Return the id of a stage's job from the queue, ended or not; None if absent. Raises ClusterError."""
    return max((row.job for row in queue(ended=True) if stage_in(row, run) == stage), default=None)


def cancel(run: str, known: Iterable[str] = ()) -> list[int]:
    """Cancel the run's jobs and return their ids; raises ClusterError.

    It looks up the jobs in the queue. If the queue cannot be read, it cancels the jobs of the `known` stages by their
    names, which are unique to the run, and then raises the error. ClusterUnavailable is raised at once.
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


def end_others(patience_s: float) -> None:
    """In a task of an array whose work is all done: cancel the array's other tasks, so that nothing waits for them.

    Tasks that wait are cancelled at once, and those that still run after `patience_s`, e.g. on a dead node.
    """
    job, own = int(os.environ["SLURM_ARRAY_JOB_ID"]), int(os.environ["SLURM_ARRAY_TASK_ID"])
    end = time.monotonic() + patience_s
    while True:
        found = [(row.state, task) for row in queue({job}) for task in row.tasks or () if task != own]
        is_late = time.monotonic() > end
        late = [f"{job}_{task}" for state, task in found if state == "PENDING" or (is_late and state != "COMPLETING")]
        if late:
            slurm("scancel", "--quiet", *late)
        if is_late or not found:
            return
        time.sleep(1.0)


def ending_of(unit: Unit, *, lag_s: float = 3.0) -> Ending:
    """Return how a task ended, waiting up to `lag_s` for the accounting to record it. Raises ClusterError."""
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
    """Build the ending from the accounting: after srun, only the record of the step says that memory ran out."""
    state = "OUT_OF_MEMORY" if any(row.state == "OUT_OF_MEMORY" for row in rows) else own.state
    return Ending(Unit(unit.job, unit.task, state, unit.reason, own.nodes or unit.node), own.exit_code, own.signal)


def _told(unit: Unit) -> Ending | None:
    """Return the ending from `scontrol show job`, which forgets jobs within minutes; None if it does not know."""
    try:
        told = slurm("scontrol", "show", "job", "-o", unit.id)
    except CommandRefused:
        return None
    # The first match is the real one: only Slurm's own fields and our job name come before it.
    code = re.search(r" ExitCode=([0-9]+):([0-9]+)", told)
    node = re.search(r" NodeList=(\S+)", told)
    if code is None:
        return None
    name = node[1] if node and node[1] != "(null)" else unit.node
    return Ending(Unit(unit.job, unit.task, unit.state, unit.reason, name), int(code[1]), int(code[2]))


def _accounts(jobs: set[int]) -> list[AccountedJob]:
    """Return the accounting records; empty if the cluster has no accounting or it does not answer."""
    try:
        return accounts(jobs)
    except CommandRefused:
        return []
