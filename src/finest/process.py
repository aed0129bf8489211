"""Tie a child's life to its parent's and hide a process's memory (Linux), and keep what is not used from loading."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_DUMPABLE = 4
"""prctl(2) option: whether this process may dump core and be traced by its user's other processes."""
PR_SET_PDEATHSIG = 1
"""prctl(2) option: the signal that this process gets when its parent dies."""
MEMORY_EXIT = 78
"""Exit status of a worker that ran out of memory."""


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, for whatever reason (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def leave_with_parent() -> None:
    """Leave Ctrl-C to the parent process, and have the kernel kill this one when the parent dies (Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


def hide_memory() -> None:
    """Keep all processes except root's from reading this one's memory, environment or files (Linux).

    After this call /proc/PID/environ, mem and fd belong to root, ptrace is refused, and there is no core dump. Programs
    that this process starts do not inherit the setting.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class _NoPandas:
    """Finds no module, and says of pandas that it is not installed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out of this process", name=name)


_NO_PANDAS = _NoPandas()


def leave_out_pandas() -> None:
    """Keep Arrow from importing pandas, which it does for the first array that it makes, where pandas is installed.

    It saves 0.4 s of CPU time. Only for a process that is wholly this package's: `import pandas` fails there until
    `allow_pandas` is called.
    """
    sys.meta_path.insert(0, _NO_PANDAS)


def allow_pandas() -> None:
    """Take `leave_out_pandas` back, for code of other packages."""
    if _NO_PANDAS in sys.meta_path:
        sys.meta_path.remove(_NO_PANDAS)
