"""Confines a process before it reads what strangers made: which files, connections and programs it may still reach.

    confine(Bounds(read=runtime(), ports=()))     in the child process, at its start, before it has threads

Three parts, each of which works without the others:

- `landlock`: the kernel refuses files outside of the named ones, TCP connections to other ports, signals and ptrace
  towards processes outside (Linux 5.13; connections from 6.7, signals from 6.12).
- `seccomp`: the kernel refuses system calls that the work does not need (x86-64 and AArch64).
- What every kernel has: `finest.process.hide_memory` in the process that holds the secrets, a short environment, and no
  inherited file descriptors.

Where a kernel lacks the first or the second, `confine` uses the rest; `missing` says in words what is not there, and
`finest doctor` shows it. ctypes makes the calls: of the packages for them, `pyseccomp` (last release in 2021) needs a
system library that wheels do not bring, and `landlock` (a development release) knows neither ports nor signals.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache

from finest.errors import RunError
from finest.sandbox import landlock, seccomp
from finest.sandbox.bounds import Bounds
from finest.sandbox.calls import prctl

__all__ = ["Bounds", "confine", "missing", "warn_once"]

log = logging.getLogger(__name__)

_PR_SET_NO_NEW_PRIVS = 38


def confine(bounds: Bounds) -> None:
    """Confine this process, and whatever it starts, for the rest of its life, with what this kernel has.

    Raises RunError where the process has threads already, which Landlock would leave out, or where the kernel has a
    part and refuses to use it.
    """
    if _threads() > 1:
        raise RunError("a process is confined before it starts threads, and this one has some")
    has_landlock, has_seccomp = landlock.version() > 0, seccomp.is_supported()
    if not has_landlock and not has_seccomp:
        return
    try:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if has_landlock:
            landlock.restrict(bounds)
        if has_seccomp:
            seccomp.restrict(bounds)
    except OSError as error:
        raise RunError(f"the kernel refuses to confine this process: {error.strerror}") from error


@cache
def missing() -> tuple[str, ...]:
    """What this kernel cannot do for a confined process, one line each; nothing where it can do everything."""
    said = []
    version = landlock.version()
    if not version:
        said.append("no Landlock (Linux 5.13), so files that this user may read are not cut off")
    elif version < landlock.PORTS:
        said.append("Landlock without rules for TCP (Linux 6.7), so connections to other ports are not cut off")
    elif version < landlock.SCOPES:
        said.append("Landlock without scopes (Linux 6.12), so signals to other processes of this user are not cut off")
    if not seccomp.is_supported():
        said.append("no seccomp filters for this kernel or processor, so system calls are not cut off")
    return tuple(said)


_warned = False


def warn_once(say: Callable[[str], None] | None = None) -> None:
    """Say what is missing here, the first time that this process asks."""
    global _warned  # noqa: PLW0603 - once a process
    if missing() and not _warned:
        _warned = True
        (say or log.warning)(f"strangers' files are read with less protection: this kernel has {'; '.join(missing())}")


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return 1  # no /proc, or one that an outer confinement hides: nobody can tell
