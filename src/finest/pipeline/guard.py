"""Limits on CPU time and memory per page that the kernel enforces by ending the worker, whatever code is running.

Python cannot interrupt compiled code, so the worker process ends and its parent starts another one. The ledger
identifies the page by the offset that the worker had recorded for it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from functools import lru_cache

from finest.process import MEMORY_EXIT

MEMORY_BYTES = 3 << 30
"""Memory that one page may take beyond what its worker holds when it begins. The most that any measured page within the
limits of recipe `fineweb` took was 0.7 GB (32 MB of end tags with 1,024 attributes each)."""
CPU_SIGNAL = signal.SIGVTALRM


class PageGuard:
    """Context in which this process is killed by SIGVTALRM after `cpu_s` of user CPU time, or exits when out of memory.

    The signal of ITIMER_VIRTUAL keeps its default action, so the kernel kills without running any handler. ITIMER_PROF
    stays free for the extraction's own, softer limit. RLIMIT_DATA limits memory, where Linux reports it (`/proc`).
    """

    def __init__(self, cpu_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        self._cpu_s, self._memory_bytes = cpu_s, memory_bytes
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def __enter__(self) -> None:
        signal.signal(CPU_SIGNAL, signal.SIG_DFL)
        self._before = resource.getrlimit(resource.RLIMIT_DATA)
        if (held := _held_bytes()) is not None:
            soft = held + self._memory_bytes
            limits = [limit for limit in (soft, *self._before) if limit != resource.RLIM_INFINITY]
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_DATA, (min(limits), self._before[1]))
        signal.setitimer(signal.ITIMER_VIRTUAL, self._cpu_s)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if kind is not None and issubclass(kind, MemoryError):
            os._exit(MEMORY_EXIT)  # exit at once: a clean-up would need memory
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, self._before)


@lru_cache(maxsize=1)
def _statm(pid: int) -> int:  # noqa: ARG001 - a forked process must open its own
    """Open /proc/self/statm once per process; it stays open because it is read for each page."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def _held_bytes() -> int | None:
    """Return this process's writable private memory in bytes, as RLIMIT_DATA counts it; None if unknown."""
    try:
        return int(os.pread(_statm(os.getpid()), 256, 0).split()[5]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None


_PAGE_BYTES = resource.getpagesize()
