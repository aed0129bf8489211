"""`--executor ray`: tasks on a Ray cluster judge the slices, and this process assembles the dataset.

    OUT/ledger/ray/RUN/submission.json   the slices and the tasks
    OUT/ledger/ray/RUN/tasks/N.alive     touched about once a second by task N while it runs
    OUT/ledger/ray/RUN/tasks/N.error     why task N failed

The command is Ray's driver: when it ends, Ray ends the tasks, and the same command resumes the run.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from finest.errors import JobFailed, RunError
from finest.executors.ray import RayStage
from finest.executors.request import Allotment
from finest.formatting import counted
from finest.masking import masked_error
from finest.pipeline.options import GO_ON
from finest.pipeline.share import Lines, RefineShare
from finest.pipeline.slices import FailureWatch, take_in
from finest.pipeline.submission import folder_of, forget_addresses, new
from finest.process import leave_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RayRequest, RunOptions
    from finest.pipeline.progress import Progress

LOOK_S = 0.5
SILENT_S = 60.0
"""A task that is silent for this long counts as lost; NFS may cache a touched file's time for as long."""


class RayShare(RefineShare):
    """Judges a share of the slices and leaves trace files, as Ray's driver learns of failures late, never of deaths."""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        leave_with_parent()  # DataTrove runs this in a pool of one process, which would outlive its actor
        traces = self.folder / "tasks"
        traces.mkdir(exist_ok=True)
        try:
            self.judge(rank, world_size, Alive(traces / f"{rank}.alive"))
        except BaseException as error:
            words = str(error) if isinstance(error, RunError) else masked_error(error)
            (traces / f"{rank}.error").write_text(f"on {os.uname().nodename}: {words}", encoding="utf-8")
            raise
        (traces / f"{rank}.alive").unlink(missing_ok=True)
        return iter(())


class Alive(Lines):
    """Touches a file about once a second to show that its task is alive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        super().__init__(quiet=True)

    def tick(self) -> None:
        self._path.touch()


def judge_on_ray(ledger: Ledger, options: RunOptions, request: RayRequest, progress: Progress) -> None:
    """Judge the missing slices on Ray; raises RunError, ClusterError. Call with the lock held."""
    ranks = ledger.pending()
    if not ranks:
        return
    ledger.saved()
    tasks = min(request.total_tasks, len(ranks))
    allotment = Allotment(
        partition="ray", tasks=tasks, cpus_per_task=request.cpus_per_task,
        memory_per_cpu_mb=round(request.memory_per_cpu_gb * 1024), time=None, qos=None, sbatch=(),
    )  # fmt: skip
    made = new(ledger, allotment, ranks, options, kind="ray")
    folder = folder_of(ledger, made.run, "ray")
    done = ledger.summaries()
    stage = RayStage(
        RayShare(folder), tasks, cpus_per_task=request.cpus_per_task, memory_gb=request.memory_per_cpu_gb,
        folder=folder / "slices",
    )  # fmt: skip
    try:
        with stage:
            progress.begin(ledger, done, tasks * request.cpus_per_task)
            _watch(ledger, stage, folder / "tasks", FailureWatch(ledger, done), progress)
    finally:
        forget_addresses(ledger.out)
    if missing := ledger.pending():
        why = f": {stage.error}" if stage.error else ""
        raise RunError(f"Ray's tasks have ended, but {counted(len(missing), 'slice')} is missing{why}; {GO_ON}")
    progress.end()


def _watch(ledger: Ledger, stage: RayStage, traces: Path, failures: FailureWatch, progress: Progress) -> None:
    """Wait for the last task; raises RunError at the first failed task, JobFailed if a task falls silent."""
    missing = set(ledger.pending())
    while True:
        over = stage.is_over
        missing = take_in(ledger, missing, failures, progress)
        _raise_first(traces)
        if over:
            return
        progress.tick()
        time.sleep(LOOK_S)


def _raise_first(traces: Path) -> None:
    for error in sorted(traces.glob("*.error")):
        raise RunError(f"task {error.stem} on Ray failed {error.read_text(encoding='utf-8')}; {GO_ON}")
    for sign in sorted(traces.glob("*.alive")):
        try:
            silent_s = time.time() - sign.stat().st_mtime
        except FileNotFoundError:
            continue
        if silent_s > SILENT_S:
            raise JobFailed(
                f"task {sign.stem} on Ray has sent no sign of life for {silent_s:.0f} s and is considered lost; {GO_ON}"
            )
