"""Tie a child's life to its parent's, and hide a process's memory from other processes of the user (Linux)."""

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
