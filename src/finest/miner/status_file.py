"""The status file: what the miner is doing, for the dashboard and for the message after Ctrl-C."""

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
"""The activity of a miner that has ended; followed by the reason if the operator must act."""
MIN_INTERVAL_S = 1.0
"""Shortest time between two writes of the file, unless the activity changes."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The miner's current step."""

    words: str
    """The activity in words, such as `refining task 17` or `waiting for work: ...`."""
    since: float
    """Start of the activity in seconds since 1970, like all times here."""
    at: float
    task: str | None = None
    left_s: float | None = None
    until: float | None = None
    """Time of the next retry, if the miner is waiting for one."""
    workers: int = 1
    pid: int = 0

    def line(self) -> str:
        """The activity in a few words, with the remaining time if it is known."""
        return self.words if self.left_s is None else f"{self.words}, about {duration(self.left_s)} left"


class StatusFile:
    """Writes WORK/now.json. Nothing depends on the file, so it is not fsynced."""

    def __init__(self, work: Path, workers: int) -> None:
        self._path, self._workers = work / "now.json", workers
        self.doing = Activity("starting", time.time(), time.time())

    def set(self, words: str, *, task: str | None = None, until: float | None = None) -> None:
        """Record a new activity."""
        at = time.time()
        self.doing = Activity(words, at, at, task, until=until, workers=self._workers, pid=os.getpid())
        self._write()

    def keep_alive(self, left_s: Callable[[], float | None] = lambda: None) -> None:
        """Record that the same activity continues."""
        before = self.doing
        if time.time() - before.at >= MIN_INTERVAL_S:
            self.doing = Activity(
                before.words, before.since, time.time(), before.task, left_s(), before.until, before.workers, before.pid
            )
            self._write()

    def _write(self) -> None:
        temporary = self._path.with_name(".now.json.tmp")
        with contextlib.suppress(OSError):  # the step that needs the disk reports it when it is full
            temporary.write_text(json.dumps(asdict(self.doing)), encoding="utf-8")
            temporary.replace(self._path)


def read_status(work: Path) -> Activity | None:
    """The last recorded activity of a miner in this work folder; None if there is no readable record."""
    try:
        return Activity(**json.loads((work / "now.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
