"""Budget of one verdict. An audit over budget ends without evidence: a slow validator is not the miner's fault."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from finest.errors import RunError, VerifyError

CPU_S = 600.0
MEMORY_BYTES = 2 * 1024**3
READING_SHARE = 0.5
"""Share of the CPU seconds that decoding the submission may take. An honest dataset of 100,000 rows takes a few
seconds; one that takes minutes was built to do so."""
_CPU_CLOCK = 0b010
"""Low bits of the id of a process's CPU clock (scheduled time of the whole process). The bits above them hold the
inverted process id, as clock_getcpuclockid(3) computes it."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class OverBudget(RunError):
    """The verdict has used up its budget."""


class Budget:
    """CPU and memory budget, counted from its creation. Call `check` between bounded pieces of work."""

    def __init__(self, cpu_s: float = CPU_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self.cpu_s, self.memory_bytes = cpu_s, memory_bytes
        self._own_s, self._read_s = time.process_time(), _children_s()
        self._own_bytes, self.peak_bytes = resident_bytes(), 0

    @property
    def reading_s(self) -> float:
        """CPU seconds used by the child processes, which decode the submission."""
        return _children_s() - self._read_s

    @property
    def judging_s(self) -> float:
        """CPU seconds used by this process."""
        return time.process_time() - self._own_s

    @property
    def used_s(self) -> float:
        """CPU seconds used by this process and its children."""
        return self.judging_s + self.reading_s

    def check(self) -> None:
        """Raise OverBudget beyond the limits, or VerifyError if decoding the submission alone takes too much."""
        reading_s = self.reading_s  # counting the child processes reads /proc, so a check does it once
        if reading_s > self.cpu_s * READING_SHARE:
            raise VerifyError(f"the submission takes {reading_s:.0f} CPU seconds to read, more than any honest one")
        if self.judging_s + reading_s > self.cpu_s:
            raise OverBudget(f"the verdict has used its {self.cpu_s:.0f} CPU seconds")
        self.peak_bytes = max(self.peak_bytes, resident_bytes() - self._own_bytes)
        if self.peak_bytes > self.memory_bytes:
            raise OverBudget(f"the verdict holds more than its {self.memory_bytes / 1e9:.1f} GB of memory")


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes; 0 if the system does not provide it."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def _children_s() -> float:
    """Return the CPU seconds of ended child processes and, if the system provides them, of running ones."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(map(_process_s, _living_children()))


def _living_children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            found += map(int, task.read_text(encoding="ascii").split())
        except OSError:
            continue  # the thread has ended
    return found


def _process_s(pid: int) -> float:
    """Return a process's CPU seconds from its CPU clock, since a confined process cannot read another's /proc."""
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return 0.0  # the process has ended
