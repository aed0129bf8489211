"""A seccomp filter: system calls that a confined process has no use for are refused with EPERM.

It lists what is refused, not what is allowed: Python, Arrow and the C library choose their calls by version and
processor, and a list of all of them would break with an update. What a listed call could reach although Landlock is
there: other processes' memory and descriptors, the kernel's large and seldom used parts (io_uring, bpf, keys, mounts),
permissions of files (which Landlock does not look at), sockets that are no TCP connection.

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
"""Places in struct seccomp_data; of an argument the low half is read, as both processors are little-endian."""
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_X32 = 0x4000_0000
"""Where the numbers of x86-64's second interface begin."""

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
"""Refused to every confined process."""
_OF_PERMISSIONS = ("chmod", "fchmod", "fchmodat", "fchmodat2")
_NOT_THERE = ("io_uring_setup", "io_uring_enter", "io_uring_register")
"""Refused as if the kernel did not have them: who finds them missing does without."""
_OF_PROGRAMS = ("execve", "execveat", "fork", "vfork", "pidfd_send_signal", "rt_sigqueueinfo", "tkill")

_Step = tuple[int, int, int, int]


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("steps", ctypes.c_ushort), ("first", ctypes.POINTER(_Filter)))


@cache
def is_supported() -> bool:
    """Whether this kernel takes filters, and this processor is one whose numbers are known."""
    if not is_linux() or platform.machine() not in ARCHITECTURES or sys.maxsize < 2**32:
        return False
    try:
        prctl(_PR_SET_SECCOMP, _MODE_FILTER, None)
    except OSError as error:
        return error.errno == errno.EFAULT  # it knows filters, and wants one; seccomp(2)
    return False


def restrict(bounds: Bounds) -> None:
    """Confine this process and all that it starts. Raises OSError; it must not gain privileges any more (prctl)."""
    steps = program(bounds, ARCHITECTURES[platform.machine()], os.getpid())
    filters = (_Filter * len(steps))(*(_Filter(*step) for step in steps))
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(steps), filters)))


def program(bounds: Bounds, architecture: Architecture, pid: int) -> list[_Step]:
    """The filter of a process with that number."""
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
        steps += [(_EQUAL, 0, 1, numbers["clone3"]), _refused(errno.ENOSYS)]  # the C library then takes clone
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
    """Steps for one system call; they end the program, for they have loaded something else than its number."""
    return [(_EQUAL, 0, len(steps), number), *steps]


def _only(number: int, values: Iterable[int], mask: int = 0xFFFF_FFFF) -> list[_Step]:
    """A call is allowed with these values of its first argument alone."""
    known = list(values)
    jumps = [(_EQUAL, len(known) - place, 0, value) for place, value in enumerate(known)]
    return _block(number, [_argument(0), (_AND, 0, 0, mask), *jumps, _refused(), (_RETURN, 0, 0, _ALLOW)])


def _sockets(number: int, *, is_any: bool) -> list[_Step]:
    """No socket at all; or TCP, UDP and the kernel's own list of addresses, none of them raw."""
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
