"""Keeps one lease alive: a thread renews it at about a third of its life, and says when it is lost."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Protocol

from finest.errors import LeaseLost, TaskServerError
from finest.formatting import duration
from finest.miner.error_kinds import Kind, kind_of
from finest.tasks.client import Refused
from finest.tasks.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.tasks.models import Task

LEAST_WAIT_S = 0.2
LONGEST_WAIT_S = 3600.0
LONGEST_RETRY_S = 60.0
SLACK_BLOCKS = 2
"""Blocks come a little late; a lease is given up for lost on the clock alone only when it must have ended."""


class Renews(Protocol):
    """What a lease needs of a task server."""

    def renew(self, task_id: str) -> Task: ...


class Lease:
    """One lease, renewed while the context lasts. `check` is cheap and may be called from any thread."""

    def __init__(
        self, server: Renews, task: Task, block_time_s: float, work: Path, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.id = task.id
        self._server, self._block_time_s, self._work, self._say = server, block_time_s, work, say
        self._lost: str | None = None
        self._over = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._take(task)

    def __enter__(self) -> Lease:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to renew; again does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name=f"lease {self.id}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Renew no more. A renewal under way ends by itself, unheard."""
        self._stopped = True
        self._over.set()

    @property
    def left_s(self) -> float:
        """Seconds until it ends, by this machine's clock."""
        return max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Raise LeaseLost if it is lost."""
        if self._lost is None and time.monotonic() > self._ends + SLACK_BLOCKS * self._block_time_s:
            self._lose("the task server was out of reach until it ended")
        if self._lost is not None:
            raise LeaseLost(f"{lost_lease(self.id)}{self._lost}")

    def renew(self) -> Task:
        """Renew it now and give the task as it stands; raises LeaseLost, or what else the task server says."""
        try:
            task = self._server.renew(self.id)
        except Refused as error:
            if kind_of(error, self._work) is Kind.LOST:
                self._lose(error.details.detail)
                self.check()
            raise
        self._take(task)
        if self._lost is not None:
            self.check()
        return task

    def _take(self, task: Task) -> None:
        if task.state is TaskState.LEASED:
            self._ends = time.monotonic() + (task.expires_block - task.block) * self._block_time_s
        elif task.state is TaskState.FINISHED:
            self._ends = float("inf")
            self._over.set()
        else:
            self._lose(f"the task server says that it is {task.state.value}")

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        self._over.set()

    def _keep(self) -> None:
        while not self._over.wait(self._wait_s()):
            try:
                self.renew()
            except LeaseLost as error:
                self._tell(f"{error}; work on it ends")
            except TaskServerError as error:
                self._failures += 1
                if self._failures == 1:
                    self._say(
                        f"The lease of task {self.id} could not be renewed ({error}); {duration(self.left_s)} left"
                    )
            else:
                if self._failures:
                    self._tell(f"The lease of task {self.id} is renewed again")
                self._failures = 0

    def _tell(self, line: str) -> None:
        if not self._stopped:
            self._say(line)

    def _wait_s(self) -> float:
        """A third of what is left; after a failure sooner, the more so the less is left."""
        part = min(self.left_s / 10, LONGEST_RETRY_S) if self._failures else min(self.left_s / 3, LONGEST_WAIT_S)
        return max(LEAST_WAIT_S, part) * random.uniform(0.8, 1.1)


def lost_lease(task_id: str) -> str:
    """How the message of a lost lease begins."""
    return f"The lease of task {task_id} is lost: "
