"""Make system calls through the C library and raise the kernel's errors as OSError."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

_WORD = ctypes.c_ulong


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def is_linux() -> bool:
    """Whether this is Linux, the only system with these calls."""
    return sys.platform == "linux"


def syscall(number: int, *arguments: Any) -> int:
    """Make a system call, passing integers as unsigned words. Raises OSError."""
    words = [_WORD(one) if isinstance(one, int) else one for one in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *words))


def prctl(option: int, *arguments: Any) -> int:
    """Call prctl to change an attribute of this process; arguments that are not given are 0. Raises OSError."""
    words = [_WORD(one) if isinstance(one, int) else one for one in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc().prctl(ctypes.c_int(option), *words))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
