"""Temporary files of the tests, kept in memory where the machine has enough of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 4 << 30
"""Twelve times what a whole run was seen to write."""


def use_memory() -> None:
    """Have this process, and those that it starts, write temporary files to memory, unless TMPDIR is set.

    To make a file there costs the kernel a quarter of the CPU time that ext4 takes, and nothing waits for a disk.
    """
    if "TMPDIR" not in os.environ and _is_fit():
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _is_fit() -> bool:
    """Whether programs can be run from there, and files of that size leave as much memory again."""
    if not os.access(MEMORY, os.R_OK | os.W_OK | os.X_OK):
        return False
    found = os.statvfs(MEMORY)
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    free = found.f_bavail * found.f_frsize
    return not found.f_flag & os.ST_NOEXEC and min(free, available // 2) >= NEEDED_BYTES
