"""Confine a process before it reads untrusted files: limit the files, connections and programs that it can reach.

    confine(Bounds(read=runtime(), ports=()))     in the child process, at its start, before it has threads

The confinement has three independent parts:

- `landlock`: the kernel refuses all files except the listed ones, TCP connections to other ports, and signals and
  ptrace to processes outside the sandbox (Linux 5.13; connections from 6.7, signals from 6.12).
- `seccomp`: the kernel refuses system calls that the work does not need (x86-64 and AArch64).
- Measures that every kernel supports: `finest.process.hide_memory` in the process that holds the secrets, a short
  environment, and no inherited file descriptors.

If a kernel lacks Landlock or seccomp, `confine` uses the other parts; `missing` describes what is absent, and
`finest doctor` shows it. This package makes the calls through ctypes, because the available packages do not suffice:
`pyseccomp` (last release in 2021) needs a system library that wheels do not include, and `landlock` (a development
release) supports neither ports nor signals.
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
    """Confine this process and its children permanently, with the parts that this kernel supports.

    Raises RunError if the process already has threads, which Landlock would not confine, or if the kernel supports a
    part but refuses to apply it.
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
    """Return the protections that this kernel lacks, one line each; empty if it lacks none of them."""
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
    """Warn about the protections that this kernel lacks, only on the first call in this process."""
    global _warned  # noqa: PLW0603 - once a process
    if missing() and not _warned:
        _warned = True
        (say or log.warning)(f"strangers' files are read with less protection: this kernel has {'; '.join(missing())}")


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return 1  # unknown: there is no /proc, or an outer sandbox hides it
