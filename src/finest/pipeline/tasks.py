"""Run numbered tasks in forked processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datatrove.pipeline.base import PipelineStep

from finest.errors import RunError
from finest.executors.local import ForkedExecutor
from finest.pipeline.progress import Pace
from finest.pipeline.queue import queue_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from finest.pipeline.progress import Progress


class _Task(PipelineStep):
    """Does the task whose number is the rank."""

    type, name = "FINEST", "task"

    def __init__(self, do: Callable[[int], Any]) -> None:
        super().__init__()
        self._do = do

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        self._do(rank)
        return iter(())


class Tasks:
    """Runs tasks in up to `workers` processes, whose logs are in the folder `logs`."""

    def __init__(self, workers: int, logs: Path, progress: Progress) -> None:
        self._workers, self._logs, self.progress = workers, logs, progress

    def run(self, what: str, numbers: Sequence[int], do: Callable[[int], Any]) -> None:
        """Do the tasks with these numbers; one task, or one worker, needs no other process.

        Each task must be done wholly or not at all, because a killed run does it again. Raises what a task raises, and
        RunError if a process dies.
        """
        told = Pace(what, len(numbers), self.progress)
        if self._workers <= 1 or len(numbers) <= 1:
            for number in numbers:
                do(number)
                told.add(1)
            return
        executor = ForkedExecutor(
            [_Task(do)], queue_of([[number] for number in numbers]).next, world_size=max(numbers) + 1,
            workers=min(self._workers, len(numbers)), logging_dir=self._logs, on_done=lambda _: told.add(1),
            on_tick=lambda: None, on_death=_died,
        )  # fmt: skip
        executor.run()


def _died(_: int, exit_code: int) -> None:
    raise RunError(
        f"a process that made the dataset died (exit code {exit_code}); the machine may be short of memory: run the "
        "same command with fewer --workers or less --dedup-memory; what is finished is kept"
    )
