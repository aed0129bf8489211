"""What a command costs: CPU of its whole process tree, wall clock, peak memory."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.5
"""How often memory is looked at; the looking costs the watched processes about 2 ms each time."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`cpu_s` is user and system time of the process and of all its descendants that ended."""

    cpu_s: float
    wall_s: float
    peak_bytes: int
    """Largest sum of PSS over the process tree (shared pages counted once), sampled."""

    def __add__(self, later: Cost) -> Cost:
        """One run after the other."""
        peak = max(self.peak_bytes, later.peak_bytes)
        return Cost(self.cpu_s + later.cpu_s, self.wall_s + later.wall_s, peak)


def measure(command: Sequence[str], log: Path) -> Cost:
    """Run the command as a new process and session, its output into `log`; raises SystemExit where it fails."""
    begin = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        watch = _Memory(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begin
    watch.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}; see {log}:\n{tail}")
    return Cost(usage.ru_utime + usage.ru_stime, wall_s, watch.peak_bytes)


class _Memory(threading.Thread):
    """Watches the memory of a session: the process that leads it and all its descendants."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._session = session
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(_pss_bytes, _members(self._session))))

    def stop(self) -> None:
        self._over.set()
        self.join()


def _members(session: int) -> list[int]:
    pids = (entry.name for entry in os.scandir("/proc") if entry.name.isdigit())
    return [int(pid) for pid in pids if _session_of(pid) == session]


def _session_of(pid: str) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it ended meanwhile
        return -1
    return int(stat.rpartition(")")[2].split()[3])


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def machine() -> dict[str, str | int | float]:
    """The machine in words, as it is written beside every result."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model[0].partition(":")[2].strip() if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
