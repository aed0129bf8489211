"""Whether the kernel has killed a process of this job for want of memory (Linux control groups)."""

from __future__ import annotations

import re
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def memory_kills(own: Path = Path("/proc/self/cgroup"), mounted: Path = _CGROUPS) -> int:
    """Processes of this control group that the kernel killed because the group's memory was used up.

    Reads `memory.oom_control` (version 1) or `memory.events` (version 2); 0 where neither is there.
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
