"""Share the tasks that make a run's dataset among the processes of a cluster, through the shared folder.

    RUN/claims/dataset/writing-shards/12.0    exists once a process has taken task 12
    RUN/claims/dataset/writing-shards/12.1    and once another has taken it again, because the first was lost

All processes go through the same steps. Each takes tasks of a step by creating such a file (`finest.pipeline.claims`)
until none is free, and goes on to the next step when all are done, whoever did them. The one that has a task touches
its file about once a second. If a file is not touched for SILENT_S, its process is lost with its node, and another
process takes the task again; so a lost process costs the tasks that it had in hand. A process that ends by an error
gives its tasks back at once. Two processes that do the same task do no harm: its result appears wholly or not at all.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finest.errors import RunError
from finest.pipeline.claims import LONGEST_PAUSE_S, LOOK_S, claim
from finest.pipeline.progress import Pace
from finest.pipeline.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from finest.pipeline.progress import Progress

BEAT_S = 1.0
SILENT_S = 15.0
"""A task whose file is not touched for so long is taken again. NFS shows a file's time to others after 3 s (acregmin)
if it keeps changing."""


class SharedTasks(Tasks):
    """Runs tasks together with other processes that run the same ones, all with claims in the folder `claims`."""

    def __init__(
        self, workers: int, logs: Path, progress: Progress, claims: Path, is_over: Callable[[], bool]
    ) -> None:  # fmt: skip
        """`is_over()` says whether the last step is done, whose results outlive those of the others."""
        super().__init__(workers, logs, progress)
        self._claims, self._is_over = claims, is_over

    def alone(self) -> SharedTasks:
        return SharedTasks(0, self._logs, self.progress, self._claims, self._is_over)

    def run(
        self, what: str, numbers: Sequence[int], do: Callable[[int], Any], is_done: Callable[[int], bool]
    ) -> None:  # fmt: skip
        """Do the tasks that no other process does, and return when all are done.

        Raises what a task raises, and RunError if a process dies or if others have done the last step.
        """
        self._check()
        missing = [number for number in numbers if not is_done(number)]
        step = _Step(self._claims / re.sub(r"\W+", "-", what.lower()), missing, is_done)
        told, pause = Pace(what, len(missing), self.progress), LOOK_S
        with step.kept():
            while True:
                self._work(missing, step.take, do, step.finished)
                told.reach(len(missing) - step.left)
                if not step.left:
                    return
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 1.5, LONGEST_PAUSE_S)
                self._check()

    def _check(self) -> None:
        if self._is_over():
            raise RunError("other tasks have made the dataset")


@contextmanager
def touching(paths: Callable[[], list[Path]]) -> Iterator[None]:
    """Touch files once a second from a thread, to show that this process is alive, until the block ends."""
    is_over = threading.Event()

    def touch() -> None:
        while not is_over.wait(BEAT_S):
            for path in paths():
                with suppress(OSError):
                    os.utime(path)

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@dataclass(slots=True)
class _Claim:
    """A task that another process has taken, as this one has seen it."""

    take: int
    """How often it was taken before."""
    touched_ns: int
    """When its file was touched, by the clock of the file system."""
    since: float
    """When this process saw that, by its own clock."""


class _Step:
    """The tasks of one step, as one process takes them."""

    def __init__(self, folder: Path, missing: Sequence[int], is_done: Callable[[int], bool]) -> None:
        self._folder, self._is_done = folder, is_done
        self._free = random.sample(missing, len(missing))
        """Tasks that this process has not tried to take, in any order, so that processes seldom try the same one."""
        self._others: dict[int, _Claim] = {}
        self._own: dict[int, Path] = {}
        """The files of the tasks that this process has in hand."""
        self._looked = float("-inf")

    @property
    def left(self) -> int:
        """The number of tasks that are not done, as far as this process knows."""
        return len(self._free) + len(self._others) + len(self._own)

    def take(self) -> int | None:
        """Return a task that no living process has; None if there is none now."""
        while self._free:
            number = self._free.pop()
            if self._claim(number, 0):
                return number
            self._others[number] = _Claim(0, -1, time.monotonic())
        if time.monotonic() - self._looked < LOOK_S:
            return None
        self._looked = time.monotonic()
        for number in list(self._others):
            if self._is_done(number):
                del self._others[number]
            elif self._is_lost(number) and self._claim(number, self._others[number].take + 1):
                del self._others[number]
                return number
        return None

    def finished(self, number: int) -> None:
        del self._own[number]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Touch the files of the tasks in hand until the block ends; those left by an error are given back."""
        try:
            with touching(lambda: list(self._own.values())):
                yield
        finally:
            for path in self._own.values():
                with suppress(OSError):
                    os.utime(path, (0, 0))

    def _claim(self, number: int, take: int) -> bool:
        path = self._path(number, take)
        if not claim(path):
            return False
        self._own[number] = path
        return True

    def _is_lost(self, number: int) -> bool:
        """Return whether the process that took a task last has given it back, or is silent for too long."""
        seen, now = self._others[number], time.monotonic()
        while self._path(number, seen.take + 1).exists():
            seen.take, seen.touched_ns, seen.since = seen.take + 1, -1, now
        with suppress(FileNotFoundError):
            touched_ns = self._path(number, seen.take).stat().st_mtime_ns
            if touched_ns != seen.touched_ns:
                seen.touched_ns, seen.since = touched_ns, now
        return seen.touched_ns == 0 or now - seen.since >= SILENT_S

    def _path(self, number: int, take: int) -> Path:
        return self._folder / f"{number}.{take}"
