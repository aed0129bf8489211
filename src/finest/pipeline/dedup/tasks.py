"""Run the tasks of the deduplication in forked processes, and write their files."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from datatrove.pipeline.base import PipelineStep

from finest.atomic_files import sync
from finest.errors import RunError
from finest.executors.local import ForkedExecutor
from finest.pipeline.progress import Pace
from finest.pipeline.queue import queue_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from finest.pipeline.progress import Progress


@dataclass(frozen=True, slots=True)
class Processes:
    """How the tasks of a deduplication run."""

    workers: int
    """Number of processes; 0 runs the tasks in this one."""
    logs: Path
    progress: Progress

    def run(self, what: str, task: Callable[[int], None], numbers: Sequence[int]) -> None:
        """Call `task` with each number; `what` is the stage's name in the lines of the progress."""
        told = Pace(what, len(numbers), self.progress)
        if not self.workers:
            for number in numbers:
                task(number)
                told.add(1)
            return
        executor = ForkedExecutor(
            [_Task(task)], queue_of([[number] for number in numbers]).next, world_size=max(numbers, default=0) + 1,
            workers=self.workers, logging_dir=self.logs, on_done=lambda _: told.add(1), on_tick=lambda: None,
            on_death=_died,
        )  # fmt: skip
        executor.run()


class _Task(PipelineStep):
    """Calls a function with the rank."""

    type, name = "DEDUP", "task"

    def __init__(self, task: Callable[[int], None]) -> None:
        super().__init__()
        self._task = task

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        self._task(rank)
        return iter(())


def _died(_: int, exit_code: int) -> None:
    raise RunError(
        f"a process of the deduplication died (exit code {exit_code}); the machine may be short of memory: "
        f"run the same command with fewer --workers or less --dedup-memory; what is finished is kept"
    )


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing under a temporary name, and rename it when it is complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Create a folder under a temporary name, and rename it when its files are complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    yield temporary
    for file in temporary.iterdir():
        sync(file)
    temporary.rename(path)
