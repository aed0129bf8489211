"""Landlock: a process gives up, for ever, the files, ports, signals and ptrace that it does not need.

The numbers are those of the kernel's include/uapi/linux/landlock.h; docs.kernel.org/userspace-api/landlock.html says
which version of the interface brought what. A process in a Landlock domain can trace no process outside of it, whoever
its user is, so that /proc/PID/environ, /proc/PID/mem and /proc/PID/fd of its parent are closed to it.
"""

from __future__ import annotations

import ctypes
import os
import stat
from functools import cache
from pathlib import Path

from finest.sandbox.bounds import Bounds
from finest.sandbox.calls import is_linux, syscall

PORTS, SCOPES = 4, 6
"""Versions that brought rules for TCP ports, and scopes for signals and abstract Unix sockets."""
_TRUNCATE_SINCE, _REFER_SINCE, _IOCTL_SINCE = 3, 2, 5

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""System calls, the same on every processor."""
_ASK_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_MAKE = sum(1 << bit for bit in (4, 5, 7, 8, 9, 10, 12))
"""Remove directory entries, and make any but device files (6 and 11): root could read a whole disk through one."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
"""Rights that a rule for a single file may give."""
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPES = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _Port(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


@cache
def version() -> int:
    """The version of Landlock that this kernel has.

    0: it is not built in (ENOSYS), not among the security modules of this boot (EOPNOTSUPP), or a container's filter
    refuses it (EPERM).
    """
    if not is_linux():
        return 0
    try:
        return syscall(_CREATE, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(bounds: Bounds) -> None:
    """Confine this thread and all that it starts. Raises OSError; it must not gain privileges any more (prctl)."""
    has = version()
    handled = (1 << 13) - 1
    for since, right in ((_REFER_SINCE, _REFER), (_TRUNCATE_SINCE, _TRUNCATE), (_IOCTL_SINCE, _IOCTL)):
        handled |= right if has >= since else 0
    ports = bounds.ports if has >= PORTS else None
    rules = _Ruleset(handled, _BIND_TCP | _CONNECT_TCP if ports is not None else 0, _SCOPES if has >= SCOPES else 0)
    size = 24 if has >= SCOPES else 16 if has >= PORTS else 8
    ruleset = syscall(_CREATE, ctypes.byref(rules), size, 0)
    try:
        reading = _READ_FILE | _READ_DIR | (_EXECUTE if bounds.programs else 0)
        writing = reading | _WRITE_FILE | _TRUNCATE | _MAKE | _REFER
        using = _READ_FILE | _READ_DIR | _WRITE_FILE | _IOCTL
        for paths, rights in ((bounds.read, reading), (bounds.write, writing), (bounds.devices, using)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        for port in ports or ():
            syscall(_ADD, ruleset, _NET_PORT, ctypes.byref(_Port(_CONNECT_TCP, port)), 0)
        syscall(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there, or closed to this user, needs no permission
    try:
        rights = rights if stat.S_ISDIR(os.fstat(opened).st_mode) else rights & _OF_FILES
        syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(rights, opened)), 0)
    finally:
        os.close(opened)
