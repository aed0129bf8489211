"""Pauses that all workers of a run share, on all machines: after a refusal, nobody asks that host for a while.

    FOLDER/data.commoncrawl.org     one small file a host: until when, since when, why

Common Crawl limits requests per second (status.commoncrawl.org), and S3 answers SlowDown. Workers that each retry on
their own keep such a limit in force. Here the worker that is refused writes a time into the shared folder, and each
worker reads it before each request. Bodies that are being read go on. The clocks of the machines must agree within a
second or two, as NTP keeps them.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from finest.atomic_files import temporary_name
from finest.errors import SourceBusy
from finest.retry import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PAUSE_S = 6 * 3600.0
"""Default of `--max-pause`."""
LENGTHS = Policy(first_s=5.0, cap_s=600.0, asked_cap_s=24 * 3600.0)
"""How long pauses are: 5 s after a refusal, twice as long after each pause that ends in another, at most ten minutes;
longer if `Retry-After` asks for it, up to a day."""
SPREAD = 0.5
"""The workers return within this share of the pause's length after its end, at random: the first that is refused again
stops those that have not asked yet."""
NAME_CHARS = 200
"""Longest file name made of a host; file systems take 255 bytes."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The last pause for one host; times are in seconds since 1970 (UTC)."""

    host: str
    until_s: float
    length_s: float
    number: int
    """How many pauses in a row ended in another refusal, this one included; it decides the length."""
    since_s: float
    """When the host first refused a request after it last answered one."""
    served_s: float
    """When the host first answered a request after the pause; 0 if it has not."""
    reason: str
    """What the host answered, e.g. `HTTP 503`."""

    def words(self) -> str:
        """Say in one line what the run waits for."""
        at = time.strftime("%H:%M:%S", time.localtime(self.until_s))
        return f"{self.host} refuses requests ({self.reason}); waiting until {at}"


class Pauses:
    """The pauses of one run, in a folder that all its workers see."""

    def __init__(self, folder: Path, max_s: float = MAX_PAUSE_S, gap_s: float = 0.0) -> None:
        """`max_s` is how long a host may refuse every request before `refused` ends the run.

        `gap_s` is the least time between two requests of one process to one host over HTTPS.
        """
        self._folder = folder
        self._paths: dict[str, str] = {}
        self._max_s = max_s
        self._gap_s = gap_s
        self._next_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, host: str) -> None:
        """Return when the host may be asked."""
        if self._gap_s and not host.startswith("s3://"):
            now_s = time.monotonic()
            with self._lock:
                turn_s = max(self._next_s.get(host, now_s), now_s)
                self._next_s[host] = turn_s + self._gap_s
            time.sleep(turn_s - now_s)
        while (pause := self.of(host)) is not None and (left_s := pause.until_s - time.time()) > 0:
            time.sleep(left_s + random.uniform(0.0, SPREAD * pause.length_s))

    def refused(self, host: str, asked_s: float, reason: str, retry_after_s: float | None) -> None:
        """Begin a pause, or a longer one, after the host refused a request that was sent at `asked_s`.

        A request sent before the present pause's end is part of the same refusal: it extends the pause only if its
        `Retry-After` ends later. Raises SourceBusy if the pause would end more than `max_s` after the first refusal.
        """
        now_s, last = time.time(), self.of(host)
        number, since_s = 1, now_s
        if last is not None:
            together = asked_s < last.until_s
            if together and now_s + (retry_after_s or 0.0) <= max(last.until_s, now_s):
                return
            if last.served_s:
                number = last.number if together else max(1, last.number - 1)
            else:
                number, since_s = last.number + (not together), last.since_s
        length_s = max(LENGTHS.wait_s(number), LENGTHS.wait_s(1, retry_after_s) if retry_after_s else 0.0)
        pause = Pause(host, now_s + length_s, length_s, number, since_s, 0.0, reason)
        if pause.until_s - since_s > self._max_s:
            began = time.strftime("%H:%M on %d %B", time.localtime(since_s))
            raise SourceBusy(
                f"{host} has refused every request since {began} ({reason}), and asks for a pause that ends later than "
                f"--max-pause allows. Run the same command again later; finished slices are kept"
            )
        self._write(pause)

    def served(self, host: str, asked_s: float) -> None:
        """Note that the host answered a request that was sent at `asked_s`."""
        pause = self.of(host)
        if pause is not None and not pause.served_s and asked_s >= pause.until_s:
            self._write(replace(pause, served_s=time.time()))

    def of(self, host: str) -> Pause | None:
        """Return the last pause for the host; None if it never refused a request."""
        path = self._paths.get(host)
        if path is None:
            path = self._paths[host] = str(self._folder / _name(host))
        return _read(path) if os.path.exists(path) else None  # noqa: PTH110 - asked twice for each request

    def running(self) -> Pause | None:
        """Return the pause that ends last, if any is not over."""
        now_s = time.time()
        return max((p for p in self._all() if p.until_s > now_s), key=lambda pause: pause.until_s, default=None)

    def renew(self) -> None:
        """Begin a new run: forget the pauses that are over, and count `max_s` from now for the others."""
        now_s = time.time()
        for pause in self._all():
            if pause.until_s > now_s:
                self._write(replace(pause, since_s=now_s))
            else:
                (self._folder / _name(pause.host)).unlink(missing_ok=True)

    def _all(self) -> Iterator[Pause]:
        paths = [path for path in self._folder.iterdir() if path.name[0] != "."] if self._folder.is_dir() else []
        return (pause for path in paths if (pause := _read(path)) is not None)

    def _write(self, pause: Pause) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / _name(pause.host)
        temporary = temporary_name(path)
        temporary.write_text(json.dumps(asdict(pause)), encoding="utf-8")
        temporary.replace(path)


def _name(host: str) -> str:
    return quote(host, safe="")[:NAME_CHARS]


def _read(path: Path | str) -> Pause | None:
    try:
        return Pause(**json.loads(Path(path).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
