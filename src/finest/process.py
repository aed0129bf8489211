"""Ties processes together: a child dies with its parent (Linux), and secrets in memory stay unreadable to children."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_DUMPABLE = 4
"""prctl(2): whether this process leaves a core dump and may be traced by its user's other processes."""
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


def end_with_parent() -> None:
    """From now on the kernel kills this process when the thread that started it ends, however it does (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_memory() -> None:
    """From now on no other process of this user, root's aside, reads this one's memory, environment or files (Linux).

    /proc/PID/environ, mem and fd belong to root then, ptrace is refused, and there is no core dump. A program that this
    process starts does not inherit it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
