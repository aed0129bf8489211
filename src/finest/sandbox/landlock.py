"""Landlock: a process permanently gives up the files, ports, signals and ptrace that it does not need.

The numbers come from the kernel's include/uapi/linux/landlock.h; docs.kernel.org/userspace-api/landlock.html lists the
features of each version of the interface. A process in a Landlock domain cannot trace any process outside it, whatever
its user, so it cannot open /proc/PID/environ, /proc/PID/mem or /proc/PID/fd of its parent.
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
"""Versions that introduced rules for TCP ports, and scopes for signals and abstract Unix sockets."""
_TRUNCATE_SINCE, _REFER_SINCE, _IOCTL_SINCE = 3, 2, 5

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""Numbers of the system calls, which are the same on every processor."""
_ASK_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_MAKE = sum(1 << bit for bit in (4, 5, 7, 8, 9, 10, 12))
"""Rights to remove directory entries and to create any kind except device files (bits 6 and 11): root could read a
whole disk through a device file."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
"""Rights that a rule for a single file may grant."""
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
    """Return the version of Landlock that this kernel supports.

    Return 0 if it is not built in (ENOSYS), not among the security modules of this boot (EOPNOTSUPP), or refused by a
    container's filter (EPERM).
    """
    if not is_linux():
        return 0
    try:
        return syscall(_CREATE, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(bounds: Bounds) -> None:
    """Confine this thread and all that it starts. Raises OSError; needs the prctl option NO_NEW_PRIVS to be set."""
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
        return  # a path that does not exist or that this user cannot open needs no rule
    try:
        rights = rights if stat.S_ISDIR(os.fstat(opened).st_mode) else rights & _OF_FILES
        syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(rights, opened)), 0)
    finally:
        os.close(opened)
