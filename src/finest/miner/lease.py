"""Lease renewal: a thread renews a lease after about a third of its remaining time and reports if it is lost.

While the task server is away, a lease is kept beyond its end: the server extends open leases by the time for which it
was away (finest.tasks.outages), and only its own word ends them.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Protocol

from finest.errors import LeaseLost, TaskServerError
from finest.formatting import duration
from finest.miner.error_kinds import Kind, kind_of
from finest.tasks.models import TaskState
from finest.tasks.transport import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.tasks.models import Task

MIN_WAIT_S = 0.2
MAX_WAIT_S = 3600.0
MAX_RETRY_S = 60.0
SLACK_BLOCKS = 2
"""Tolerance for late blocks: by the clock alone, a lease counts as lost only this many blocks after its end."""


class LeaseServer(Protocol):
    """The part of a task server that a lease needs."""

    def renew(self, task_id: str) -> Task: ...


class Lease:
    """One lease, renewed inside this context manager. `check` is cheap and safe to call from any thread."""

    def __init__(
        self,
        server: LeaseServer,
        task: Task,
        block_time_s: float,
        work: Path,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.id = task.id
        self._server, self._block_time_s, self._work, self._say = server, block_time_s, work, say
        self._lost: str | None = None
        self._ended = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._failures = 0
        self.away = False
        """Whether the last renewal failed because the task server, or its view of the chain, was away."""
        self._update(task)

    def __enter__(self) -> Lease:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start renewing; does nothing if already started."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew_until_over, name=f"lease {self.id}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop renewing. A renewal that is already running ends by itself and reports nothing."""
        self._stopped = True
        self._ended.set()

    @property
    def left_s(self) -> float:
        """Seconds until the lease expires, by this machine's clock."""
        return max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Raises LeaseLost if the lease is lost: by the server's word, or by the clock if the server is not away."""
        if self._lost is None and not self.away and time.monotonic() > self._ends + SLACK_BLOCKS * self._block_time_s:
            self._mark_lost("it could not be renewed until it expired")
        if self._lost is not None:
            raise LeaseLost(f"{lost_message(self.id)}{self._lost}")

    def renew(self) -> Task:
        """Renew the lease now and return the current task; raises LeaseLost, or the task server's other errors."""
        try:
            task = self._server.renew(self.id)
        except TaskServerError as error:
            kind = kind_of(error, self._work)
            self.away = kind is Kind.PASSES
            if isinstance(error, Refused) and kind is Kind.LOST:
                self._mark_lost(error.details.detail)
                self.check()
            raise
        self.away = False
        self._update(task)
        if self._lost is not None:
            self.check()
        return task

    def _update(self, task: Task) -> None:
        if task.state is TaskState.LEASED:
            self._ends = time.monotonic() + (task.expires_block - task.block) * self._block_time_s
        elif task.state is TaskState.FINISHED:
            self._ends = float("inf")
            self._ended.set()
        else:
            self._mark_lost(f"the task server says that it is {task.state.value}")

    def _mark_lost(self, why: str) -> None:
        self._lost = self._lost or why
        self._ended.set()

    def _renew_until_over(self) -> None:
        while not self._ended.wait(self._wait_s()):
            try:
                self.renew()
            except LeaseLost as error:
                self._report(f"{error}; the work on it stops")
            except TaskServerError as error:
                self._failures += 1
                if self._failures == 1:
                    then = "the work goes on" if self.away else f"it expires in {duration(self.left_s)}"
                    self._say(f"The lease of task {self.id} could not be renewed ({error}); {then}")
            else:
                if self._failures:
                    self._report(f"The lease of task {self.id} is renewed again")
                self._failures = 0

    def _report(self, line: str) -> None:
        if not self._stopped:
            self._say(line)

    def _wait_s(self) -> float:
        """Wait before the next renewal: a third of the remaining time, and a tenth of it after a failure."""
        if self.away and not self.left_s:
            part = MAX_RETRY_S
        else:
            part = min(self.left_s / 10, MAX_RETRY_S) if self._failures else min(self.left_s / 3, MAX_WAIT_S)
        return max(MIN_WAIT_S, part) * random.uniform(0.8, 1.1)


def lost_message(task_id: str) -> str:
    """The beginning of every message about a lost lease."""
    return f"The lease of task {task_id} is lost: "
