"""Start, watch and stop the daemons of a cluster in a folder.

A daemon is identified by its process id and start time, so a later process with the same id is never mistaken for it. A
zombie (the first process of a container may leave them) counts as ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POLL_S = 0.05


class Daemon:
    """One daemon of a folder; any process may check and stop it, not only the one that started it."""

    def __init__(self, name: str, run: Path, logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.out"
        """File with its standard output and standard error."""
        self._pid = run / f"{name}.process"

    def start(self, argv: Sequence[str], *, env: Mapping[str, str], folder: Path, user: str | None = None) -> None:
        """Start it in its own session, without this terminal's files; with `user` None, as the current user."""
        with self.log.open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 - argv is ours
                list(argv),
                env=dict(env),
                user=user,
                group=user,
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=folder,
            )
        self._pid.write_text(f"{child.pid} {began(child.pid)}")

    @property
    def pid(self) -> int | None:
        """Its process id; None if it is not running."""
        try:
            pid, began_at = map(int, self._pid.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if began_at and began(pid) == began_at else None

    def stop(self, patience_s: float) -> bool:
        """Stop it with SIGTERM, then after `patience_s` with SIGKILL; return whether it was running."""
        pid = self.pid
        for signal_ in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + patience_s
            if self.pid is not None and pid is not None:
                os.kill(pid, signal_)
            while self.pid is not None and time.monotonic() < deadline:
                time.sleep(POLL_S)
        self._pid.unlink(missing_ok=True)
        return pid is not None

    def last_words(self) -> str:
        """Return the last line of its log with an error, else the last line, which usually says why it ended."""
        try:
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        except FileNotFoundError:
            return ""
        bad = [line for line in lines if any(word in line.lower() for word in ("fatal", "error"))]
        return (bad or lines or [""])[-1].strip()


def began(pid: int) -> int:
    """Return when a process started, in clock ticks since boot (proc(5)); 0 if it does not exist or is a zombie."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else 0


def stop_steps(spool: Path) -> None:
    """Kill the job steps that a stopped slurmd left behind: the slurmstepd processes in its spool and their children.

    A slurmstepd inherits slurmd's working folder, which is the only sign of its cluster.
    """
    below: dict[int, list[int]] = {}
    keepers = []
    for pid in _processes():
        below.setdefault(_parent(pid), []).append(pid)
        if _keeps_step_in(pid, spool):
            keepers.append(pid)
    while keepers:
        pid = keepers.pop()
        keepers += below.get(pid, [])
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on (proc(5)); empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _keeps_step_in(pid: int, spool: Path) -> bool:
    try:
        folder, name = Path(f"/proc/{pid}/cwd").readlink(), Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # the process has ended or is a zombie
        return False
    return name == "slurmstepd" and (folder == spool or spool in folder.parents)
