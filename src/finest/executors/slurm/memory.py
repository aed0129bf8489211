"""Detect whether the kernel has killed a process of this job because memory ran out (Linux control groups)."""

from __future__ import annotations

import re
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def memory_kills(own: Path = Path("/proc/self/cgroup"), mounted: Path = _CGROUPS) -> int:
    """Count the processes of this control group that the kernel killed because the group ran out of memory.

    Reads `memory.oom_control` (version 1) or `memory.events` (version 2); returns 0 if neither exists.
    """
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        inside = path.lstrip("/")
        if "memory" in controllers.split(","):
            return _count(mounted / "memory" / inside / "memory.oom_control")
        if not controllers and (mounted / inside / "memory.events").exists():
            return _count(mounted / inside / "memory.events")
    return 0


def _count(path: Path) -> int:
    found = re.search(r"^oom_kill (\d+)$", _read(path), re.MULTILINE)
    return int(found[1]) if found else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
