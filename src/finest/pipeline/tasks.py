"""Run numbered tasks in forked processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datatrove.pipeline.base import PipelineStep

from finest.errors import RunError
from finest.executors.local import ForkedExecutor
from finest.pipeline.progress import Pace

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

    def alone(self) -> Tasks:
        """Return the same without other processes, for tasks that are too short for them."""
        return Tasks(0, self._logs, self.progress)

    def run(
        self, what: str, numbers: Sequence[int], do: Callable[[int], Any], is_done: Callable[[int], bool]
    ) -> None:  # fmt: skip
        """Do those of the tasks with these numbers that are not done; one task, or one worker, needs no other process.

        Each task must be done wholly or not at all, because a killed run does it again. Raises what a task raises, and
        RunError if a process dies.
        """
        missing = [number for number in numbers if not is_done(number)]
        told, left = Pace(what, len(missing), self.progress), iter(missing)
        self._work(missing, lambda: next(left, None), do, lambda _: told.add(1))

    def once(self, what: str, do: Callable[[], Any], is_done: Callable[[], bool]) -> None:
        """Do a task of one process that the others depend on, if it is not done."""
        self.alone().run(what, (0,), lambda _: do(), lambda _: is_done())

    def _work(
        self, numbers: Sequence[int], take: Callable[[], int | None], do: Callable[[int], Any],
        finished: Callable[[int], None],
    ) -> None:  # fmt: skip
        """Do the tasks that `take` returns until it returns None; they are among `numbers`."""
        workers = min(self._workers, len(numbers))
        if workers <= 1:
            while (number := take()) is not None:
                do(number)
                finished(number)
            return
        executor = ForkedExecutor(
            [_Task(do)], lambda _: take(), world_size=max(numbers) + 1, workers=workers, logging_dir=self._logs,
            on_done=finished, on_tick=lambda: None, on_death=_died,
        )  # fmt: skip
        executor.run()


def _died(_: int, exit_code: int) -> None:
    raise RunError(
        f"a process that made the dataset died (exit code {exit_code}); the machine may be short of memory: run the "
        "same command with fewer --workers or less --dedup-memory; what is finished is kept"
    )
