"""The memory and the disk that are free on this machine."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_memory_bytes() -> int:
    """Return the bytes of memory available without swapping, limited to what the container has left."""
    left = [_meminfo_bytes("MemAvailable")]
    with suppress(OSError, ValueError):
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            left.append(int(limit) - int((_CGROUP / "memory.current").read_text()))
    return max(0, min(left))


def free_disk_bytes(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder, which need not exist."""
    return shutil.disk_usage(nearest(folder)).free


def nearest(folder: Path) -> Path:
    """Return the folder itself, or its nearest parent that exists."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def _meminfo_bytes(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return 0
