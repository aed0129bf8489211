"""Decide what a failure ends: a slice, a task of a cluster, or the run.

A slice that raises is left to other tasks. A task ends at IN_A_ROW slices of that kind in a row: its node may be
broken. The run ends when that is not the fault of a node: when the same error ended tasks on several nodes, or when
most of its tasks failed. Whatever a task leaves behind, the others take over (`finest.pipeline.claims`).

    RUN/tasks/N.error   the error that ended task N, and its node
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.errors import FinestError, JobFailed, RunError, SourceBusy, SourceError
from finest.executors.slurm.memory import memory_kills
from finest.formatting import counted
from finest.masking import masked_error
from finest.pipeline.slices import FailureWatch

if TYPE_CHECKING:
    from finest.pipeline.claims import Claims
    from finest.pipeline.done import SliceDone
    from finest.pipeline.ledger import Ledger

IN_A_ROW = 3
"""Number of slices without a finished one between them that end a task by their errors."""
MAX_FAILED_TASKS = 0.5
"""A larger share of failed tasks ends the run."""
MAX_LEFT = 0.01
"""A larger share of unfinished slices is not left to the one task that makes the dataset."""
MAX_RESTARTS = 3
"""How often Slurm may start a task again after losing its node."""


class TaskWatch(FailureWatch):
    """Watches the slices of one task of a cluster."""

    def __init__(self, ledger: Ledger, claims: Claims, say: Callable[[str], None]) -> None:
        super().__init__(ledger, say, only_own=True)
        self._claims = claims
        self._memory_kills = memory_kills()
        self._in_a_row = 0
        self._error: Exception | None = None

    def done(self, done: SliceDone) -> None:
        self._in_a_row = 0
        self._claims.finished(done.number, done.wall_s)
        super().done(done)

    def killed(self, exit_code: int) -> None:
        """Raise RunError if the kernel killed the worker because the job ran out of memory.

        Only other deaths may be retried and blamed on the page: Slurm reports OUT_OF_MEMORY in both cases.
        """
        if exit_code == -signal.SIGKILL and memory_kills() > self._memory_kills:
            raise RunError("the job ran out of memory, and the kernel killed a worker; request more with --mem-per-cpu")

    def failed(self, rank: int, error: Exception) -> None:
        """Leave the slice to other tasks, or its source to the next run; raise its error if IN_A_ROW of them failed."""
        if isinstance(error, SourceError):
            super().failed(rank, error)
        self._claims.failed(rank)
        self._error = error
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            raise error
        if not isinstance(error, SourceError):
            self._say(f"Slice {rank} is left to other tasks: {error}")

    def end(self) -> None:
        """Raise the last error if a slice that failed here is still missing."""
        if self._error is not None and self._claims.is_failed_missing():
            raise self._error


@dataclass(frozen=True, slots=True)
class TaskError:
    """The error that ended a task."""

    task: int
    node: str
    words: str
    exit_code: int = 1
    """Exit status of a command that ends by this error."""


@contextmanager
def noting_error(folder: Path, task: int) -> Iterator[None]:
    """Write the error that ends the block to the run's folder, and raise it."""
    try:
        yield
    except BaseException as error:
        words = str(error) if isinstance(error, FinestError) else masked_error(error)
        found = TaskError(task, os.uname().nodename, words, getattr(error, "exit_code", 1))
        (folder / "tasks").mkdir(exist_ok=True)
        write_whole(folder / "tasks" / f"{task}.error", json.dumps(asdict(found)).encode())
        raise


def read_errors(folder: Path) -> list[TaskError]:
    """Return the errors that ended tasks of the run."""
    paths = (folder / "tasks").glob("*.error")
    return sorted((TaskError(**json.loads(path.read_bytes())) for path in paths), key=lambda error: error.task)


def job_error(errors: Collection[TaskError], words: str) -> FinestError:
    """Return the error that ends a run whose tasks ended by these errors: SourceBusy if a server refused each of them,
    so that trying later helps, else JobFailed.
    """
    is_refused = bool(errors) and all(error.exit_code == SourceBusy.exit_code for error in errors)
    return (SourceBusy if is_refused else JobFailed)(words)


def reason_to_stop(errors: Iterable[TaskError], failed: int, tasks: int) -> str | None:
    """Say why a run with `failed` failed ones of its `tasks` tasks should end; None if it should go on.

    Errors are the same if they differ at most in numbers.
    """
    nodes: dict[str, set[str]] = defaultdict(set)
    for error in errors:
        same = nodes[re.sub(r"\d+", "0", error.words)]
        same.add(error.node)
        if len(same) > 1:
            return f"tasks on {len(same)} nodes ended with the same error, the last on {error.node}: {error.words}"
    if failed > MAX_FAILED_TASKS * tasks and tasks > 1:
        return f"{failed} of its {counted(tasks, 'task')} failed"
    return None


def is_little(missing: int, slices: int) -> bool:
    """Return whether one task can judge what the others have left of a run's slices."""
    return missing <= MAX_LEFT * slices


def check_restarts() -> None:
    """Raise RunError in a task that Slurm has started again too often."""
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if restarts > MAX_RESTARTS:
        raise RunError(f"Slurm has started this task {restarts + 1} times, since its nodes were lost; it gives up")
