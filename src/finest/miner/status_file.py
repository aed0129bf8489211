"""What the miner does right now: for the dashboard, and for whoever presses Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from finest.formatting import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STOPPED = "stopped"
"""What it does when it has ended, with why if a person is needed."""
LEAST_BETWEEN_S = 1.0
"""The file is written this often at the most, but for a change of what is done."""


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing that is done."""

    words: str
    """`refining task 17`, `waiting for work: ...`."""
    since: float
    """Seconds since 1970, as all times here."""
    at: float
    task: str | None = None
    left_s: float | None = None
    until: float | None = None
    """When it is tried again, if it waits."""
    workers: int = 1
    pid: int = 0

    def line(self) -> str:
        """In a few words, with the time left where it is known."""
        return self.words if self.left_s is None else f"{self.words}, about {duration(self.left_s)} left"


class Now:
    """Written to WORK/now.json. It is no record: nothing depends on it, so it is not fsynced."""

    def __init__(self, work: Path, workers: int) -> None:
        self._path, self._workers = work / "now.json", workers
        self.doing = Doing("starting", time.time(), time.time())

    def set(self, words: str, *, task: str | None = None, until: float | None = None) -> None:
        """Something new is done."""
        at = time.time()
        self.doing = Doing(words, at, at, task, until=until, workers=self._workers, pid=os.getpid())
        self._write()

    def going(self, left_s: Callable[[], float | None] = lambda: None) -> None:
        """The same thing goes on."""
        before = self.doing
        if time.time() - before.at >= LEAST_BETWEEN_S:
            self.doing = Doing(
                before.words, before.since, time.time(), before.task, left_s(), before.until, before.workers, before.pid
            )
            self._write()

    def _write(self) -> None:
        temporary = self._path.with_name(".now.json.tmp")
        with contextlib.suppress(OSError):  # a full disk is said by what needs it
            temporary.write_text(json.dumps(asdict(self.doing)), encoding="utf-8")
            temporary.replace(self._path)


def read_now(work: Path) -> Doing | None:
    """What a miner in the folder did last; None where none has said it."""
    try:
        return Doing(**json.loads((work / "now.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
