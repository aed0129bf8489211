"""A seccomp filter that refuses, with EPERM, system calls that a confined process does not need.

It is a deny list, not an allow list: Python, Arrow and the C library choose their calls by version and processor, so an
update would break a list of all allowed calls. The denied calls reach what Landlock does not protect: the memory and
descriptors of other processes, large and rarely used parts of the kernel (io_uring, bpf, keys, mounts), file
permissions, and sockets other than TCP connections.

The program is classic BPF, as in the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from functools import cache

from finest.sandbox.bounds import Bounds
from finest.sandbox.calls import is_linux, prctl
from finest.sandbox.numbers import ARCHITECTURES, Architecture

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2
_KILL_PROCESS, _ERRNO, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
"""Offsets in struct seccomp_data. A load at an argument's offset reads its low half, as both processors are
little-endian."""
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_X32 = 0x4000_0000
"""First system call number of x86-64's second interface, x32."""

_AF_INET, _AF_INET6, _AF_NETLINK = 2, 10, 16
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_KIND = 1, 2, 0xF
_CLONE_THREAD = 0x0001_0000

NEVER = (
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "perf_event_open",
    "bpf", "userfaultfd", "keyctl", "add_key", "request_key", "mount", "umount2", "mount_setattr", "move_mount",
    "open_tree", "fsopen", "fsmount", "fsconfig", "fspick", "pivot_root", "chroot", "unshare", "setns", "init_module",
    "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct",
    "quotactl", "quotactl_fd", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname",
    "setdomainname", "iopl", "ioperm", "syslog", "name_to_handle_at", "open_by_handle_at", "mknod", "mknodat",
    "vhangup", "move_pages", "migrate_pages", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr",
    "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat", "listen",
    "memfd_secret", "fanotify_init",
)  # fmt: skip
"""System calls that every confined process is refused."""
_OF_PERMISSIONS = ("chmod", "fchmod", "fchmodat", "fchmodat2")
_NOT_THERE = ("io_uring_setup", "io_uring_enter", "io_uring_register")
"""System calls refused with ENOSYS, as if the kernel lacked them: programs then work without them."""
_OF_PROGRAMS = ("execve", "execveat", "fork", "vfork", "pidfd_send_signal", "rt_sigqueueinfo", "tkill")

_Step = tuple[int, int, int, int]


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("steps", ctypes.c_ushort), ("first", ctypes.POINTER(_Filter)))


@cache
def is_supported() -> bool:
    """Whether this kernel accepts filters and ARCHITECTURES contains this processor."""
    if not is_linux() or platform.machine() not in ARCHITECTURES or sys.maxsize < 2**32:
        return False
    try:
        prctl(_PR_SET_SECCOMP, _MODE_FILTER, None)
    except OSError as error:
        return error.errno == errno.EFAULT  # it supports filters and rejects the null pointer; seccomp(2)
    return False


def restrict(bounds: Bounds) -> None:
    """Confine this process and all that it starts. Raises OSError; needs the prctl option NO_NEW_PRIVS to be set."""
    steps = program(bounds, ARCHITECTURES[platform.machine()], os.getpid())
    filters = (_Filter * len(steps))(*(_Filter(*step) for step in steps))
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(steps), filters)))


def program(bounds: Bounds, architecture: Architecture, pid: int) -> list[_Step]:
    """Return the filter program for the process with the id `pid`."""
    numbers = architecture.numbers
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, architecture.audit), (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, 0, 1, _X32), _refused(),
    ]  # fmt: skip
    for name in _refused_names(bounds):
        if name in numbers:
            steps += [(_EQUAL, 0, 1, numbers[name]), _refused()]
    for name in _NOT_THERE:
        steps += [(_EQUAL, 0, 1, numbers[name]), _refused(errno.ENOSYS)]
    steps += _only(numbers["prlimit64"], [0] if bounds.programs else [0, pid])
    if not bounds.programs:
        steps += [(_EQUAL, 0, 1, numbers["clone3"]), _refused(errno.ENOSYS)]  # the C library then falls back to clone
        steps += _only(numbers["clone"], [_CLONE_THREAD], mask=_CLONE_THREAD)
        steps += _only(numbers["kill"], [pid]) + _only(numbers["tgkill"], [pid])
    steps += _sockets(numbers["socket"], is_any=bounds.ports != ())
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _refused_names(bounds: Bounds) -> list[str]:
    permissions = () if bounds.permissions else _OF_PERMISSIONS
    return [*NEVER, *permissions, *(() if bounds.programs else _OF_PROGRAMS)]


def _refused(number: int = errno.EPERM) -> _Step:
    return (_RETURN, 0, 0, _ERRNO | number)


def _argument(place: int) -> _Step:
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * place)


def _block(number: int, steps: Sequence[_Step]) -> list[_Step]:
    """Return the steps for one system call. They must end the program, because they overwrite the loaded number."""
    return [(_EQUAL, 0, len(steps), number), *steps]


def _only(number: int, values: Iterable[int], mask: int = 0xFFFF_FFFF) -> list[_Step]:
    """Allow a call only with these values of its first argument."""
    known = list(values)
    jumps = [(_EQUAL, len(known) - place, 0, value) for place, value in enumerate(known)]
    return _block(number, [_argument(0), (_AND, 0, 0, mask), *jumps, _refused(), (_RETURN, 0, 0, _ALLOW)])


def _sockets(number: int, *, is_any: bool) -> list[_Step]:
    """Refuse every socket, or with `is_any` allow only TCP, UDP and netlink (the kernel's list of addresses), not raw
    sockets.
    """
    if not is_any:
        return [(_EQUAL, 0, 1, number), _refused()]
    return _block(number, [
        _argument(0),
        (_EQUAL, 7, 0, _AF_NETLINK),
        (_EQUAL, 1, 0, _AF_INET),
        (_EQUAL, 0, 4, _AF_INET6),
        _argument(1),
        (_AND, 0, 0, _SOCK_KIND),
        (_EQUAL, 2, 0, _SOCK_STREAM),
        (_EQUAL, 1, 0, _SOCK_DGRAM),
        _refused(),
        (_RETURN, 0, 0, _ALLOW),
    ])  # fmt: skip
