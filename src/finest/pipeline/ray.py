"""`--executor ray`: tasks on a Ray cluster judge the slices, and then make the dataset.

    OUT/ledger/ray/RUN/submission.json   the slices and the tasks
    OUT/ledger/ray/RUN/claims/           which task has taken what
    OUT/ledger/ray/RUN/tasks/N.alive     touched about once a second by task N while it runs
    OUT/ledger/ray/RUN/tasks/N.error     why task N failed
    OUT/ledger/ray/RUN/dataset/tasks/    the same of the tasks that make the dataset, in a RUN of their own

The command is Ray's driver: when it ends, Ray ends the tasks, and the same command resumes the run. Ray starts the task
of a lost node again, on another one; meanwhile the other tasks take over its slices.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from finest.dataset.manifest import MANIFEST_NAME, read_manifest
from finest.executors.ray import RayStage
from finest.executors.request import Allotment
from finest.formatting import counted
from finest.pipeline.assemble import run_shards
from finest.pipeline.dataset_share import DatasetShare
from finest.pipeline.failures import job_error, read_errors, reason_to_stop
from finest.pipeline.missing import slices_left
from finest.pipeline.options import GO_ON
from finest.pipeline.plan import finish, local_tasks
from finest.pipeline.progress import Progress
from finest.pipeline.share import Lines, RefineShare
from finest.pipeline.shared_tasks import touching
from finest.pipeline.slices import FailureWatch, take_in
from finest.pipeline.submission import clean_up, folder_of, new
from finest.process import leave_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from finest.dataset.manifest import Manifest
    from finest.pipeline.ledger import Ledger
    from finest.pipeline.options import RayRequest, RunOptions

LOOK_S = 0.5
SILENT_S = 60.0
"""A task that is silent for this long counts as lost; NFS may cache a touched file's time for as long."""


class RayShare(RefineShare):
    """Judges slices and leaves trace files, as Ray's driver learns of failures late, and never of some deaths."""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        leave_with_parent()  # DataTrove runs this in a pool of one process, which would outlive its actor
        (self.folder / "tasks").mkdir(exist_ok=True)
        sign = self.folder / "tasks" / f"{rank}.alive"
        self.judge(rank, world_size, Alive(sign))
        sign.unlink(missing_ok=True)
        return iter(())


class RayDatasetShare(DatasetShare):
    """Makes the dataset and leaves trace files."""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        leave_with_parent()
        (self.folder / "dataset" / "tasks").mkdir(parents=True, exist_ok=True)
        sign = self.folder / "dataset" / "tasks" / f"{rank}.alive"
        sign.touch()
        with touching(lambda: [sign]):
            self.make(rank, world_size, Progress(quiet=True))
        sign.unlink(missing_ok=True)
        return iter(())


class Alive(Lines):
    """Touches a file about once a second to show that its task is alive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        super().__init__(quiet=True)

    def tick(self) -> None:
        self._path.touch()


def refine_on_ray(ledger: Ledger, options: RunOptions, request: RayRequest, progress: Progress) -> Manifest:
    """Judge the missing slices on Ray, and make the dataset there too if it has several shards.

    Raises RunError, ClusterError. Call with the lock held.
    """
    _judge(ledger, options, request, progress)
    tasks = min(request.total_tasks, len(run_shards(ledger, options.recipe)))
    if tasks == 1:
        return finish(ledger, options, local_tasks(ledger, options, progress))
    folder, stage = _new(ledger, options, request, (), tasks)
    progress.say(f"Making the dataset in {counted(tasks, 'task')}")
    at_work, manifest = (
        RayTasks(folder / "dataset", tasks, "part of the dataset", progress.say),
        ledger.out / MANIFEST_NAME,
    )
    try:
        with stage:
            _watch(stage, at_work, manifest.exists, lambda: None, progress)
    finally:
        clean_up(ledger.out)
    if not manifest.exists():
        words = f"Ray's tasks have ended, but the dataset is not made{_why(at_work, stage)}; {GO_ON}"
        raise job_error(read_errors(folder / "dataset"), words)
    return read_manifest(ledger.out)


def _new(
    ledger: Ledger, options: RunOptions, request: RayRequest, ranks: Sequence[int], tasks: int
) -> tuple[Path, RayStage]:  # fmt: skip
    """Record a submission; return its folder, and the stage to run: the one that makes the dataset without `ranks`."""
    allotment = Allotment(
        partition="ray", tasks=tasks, cpus_per_task=request.cpus_per_task,
        memory_per_cpu_mb=round(request.memory_per_cpu_gb * 1024), time=None, qos=None, sbatch=(),
    )  # fmt: skip
    made = new(ledger, allotment, ranks, options, kind="ray")
    folder = folder_of(ledger, made.run, "ray")
    stage = RayStage(
        RayShare(folder) if ranks else RayDatasetShare(folder), tasks, cpus_per_task=request.cpus_per_task,
        memory_gb=request.memory_per_cpu_gb, folder=folder / ("slices" if ranks else "dataset"),
    )  # fmt: skip
    return folder, stage


def _judge(ledger: Ledger, options: RunOptions, request: RayRequest, progress: Progress) -> None:
    """Judge the missing slices on Ray."""
    ranks = ledger.pending()
    if not ranks:
        return
    ledger.saved()
    tasks = min(request.total_tasks, len(ranks))
    folder, stage = _new(ledger, options, request, ranks, tasks)
    watch = FailureWatch(ledger, progress.say)
    at_work = RayTasks(folder, tasks, "slices", progress.say)
    try:
        with stage:
            progress.begin(ledger, watch.found, tasks * request.cpus_per_task)
            _watch(stage, at_work, lambda: not watch.missing, lambda: take_in(ledger, watch, progress), progress)
    finally:
        clean_up(ledger.out)
    if missing := slices_left(ledger):
        what = f"{counted(len(missing), 'slice')} is missing{_why(at_work, stage)}"
        raise job_error(read_errors(folder), f"Ray's tasks have ended, but {what}; {GO_ON}")
    progress.end()


def _why(tasks: RayTasks, stage: RayStage) -> str:
    return f": {found}" if (found := tasks.failure() or stage.error) else ""


class RayTasks:
    """The run's tasks on Ray, as far as their trace files tell; `what` names their work."""

    def __init__(self, folder: Path, number: int, what: str, say: Callable[[str], None]) -> None:
        self._folder, self._number, self._what, self._say = folder, number, what, say
        self._lost: set[int] = set()
        self._told: set[int] = set()

    def check(self) -> None:
        """Report failed and lost tasks; raise JobFailed or SourceBusy if the run cannot finish."""
        errors = read_errors(self._folder)
        for error in errors:
            self._tell(error.task, f"failed on node {error.node}: {error.words}")
        self._lost = self._silent()
        for task in self._lost:
            self._tell(task, f"has sent no sign of life for {SILENT_S:.0f} s and is considered lost")
        bad = self._lost.union(error.task for error in errors)
        if len(bad) == self._number:
            raise job_error(errors, f"{self.failure()}; {GO_ON}")
        if why := reason_to_stop(errors, len(bad), self._number):
            raise job_error(errors, f"{why}; {self.failure()}; {GO_ON}")

    def failure(self) -> str:
        """Describe the first failure; empty if there is none."""
        errors = read_errors(self._folder)
        if errors:
            return f"task {errors[0].task} on Ray failed on node {errors[0].node}: {errors[0].words}"
        return f"task {min(self._lost)} on Ray is considered lost" if self._lost else ""

    def _silent(self) -> set[int]:
        lost = set()
        for sign in self._folder.glob("tasks/*.alive"):
            try:
                if time.time() - sign.stat().st_mtime > SILENT_S:
                    lost.add(int(sign.stem))
            except FileNotFoundError:
                continue
        return lost

    def _tell(self, task: int, what: str) -> None:
        if task not in self._told:
            self._told.add(task)
            others = f"; the other tasks take over its {self._what}" if self._number > 1 else ""
            self._say(f"Task {task} on Ray {what}{others}")


def _watch(
    stage: RayStage, tasks: RayTasks, is_done: Callable[[], bool], look: Callable[[], None], progress: Progress
) -> None:  # fmt: skip
    """Wait until the work is done, or no task is left; raises as `check` if the run cannot finish.

    `look()` is called before each question whether it is done.
    """
    while not is_done():
        over = stage.is_over
        look()
        if not is_done():
            tasks.check()
        if over:
            return
        progress.tick()
        time.sleep(LOOK_S)
