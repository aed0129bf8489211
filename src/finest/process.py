"""Set up a process of our own: its end with its parent, its memory hidden from others, and what it does not import."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from typing_extensions import Buffer

PR_SET_DUMPABLE = 4
"""prctl(2) option: whether this process may dump core and be traced by its user's other processes."""
PR_SET_PDEATHSIG = 1
"""prctl(2) option: the signal that this process gets when its parent dies."""
MEMORY_EXIT = 78
"""Exit status of a worker that ran out of memory."""


def open_standard_streams() -> None:
    """Open /dev/null for each standard stream that the caller closed (`<&-`).

    Python has None in its place. Without this, the first file that is opened would get the stream's number, and what a
    library or child process writes there would end in that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace"))


class _Output(io.FileIO):
    """Standard output or error. A full disk under standard error costs what was to be shown, and not the command; an
    error of standard output names it. A closed pipe ends the command.
    """

    def __init__(self, stream: io.TextIOWrapper, *, may_fail: bool) -> None:
        super().__init__(stream.fileno(), "w", closefd=False)
        self._drops = may_fail

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self._drops:
                self._drops = True  # the interpreter writes what is left when it exits
                error.filename = "standard output"
                raise
            return memoryview(data).nbytes


def guard_standard_output() -> None:
    """Let a command run on if its progress cannot be shown; what it prints on standard output must be written.

    Characters that the encoding of either lacks become question marks.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):  # no test or notebook has put another one in its place
            stream.flush()
            raw = io.BufferedWriter(_Output(stream, may_fail=name == "stderr"))
            buffering = stream.line_buffering
            setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, "replace", line_buffering=buffering))


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, for whatever reason (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def leave_with_parent() -> None:
    """Leave Ctrl-C to the parent process, and have the kernel kill this one when the parent dies (Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


def hide_memory() -> None:
    """Keep all processes except root's from reading this one's memory, environment or files (Linux).

    After this call /proc/PID/environ, mem and fd belong to root, ptrace is refused, and there is no core dump. Programs
    that this process starts do not inherit the setting.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class _LeftOut:
    """Finds pandas where the interpreter looks for it, and does not import it."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == "pandas" else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Have an empty module made."""

    def exec_module(self, module: ModuleType) -> None:
        raise ModuleNotFoundError("finest does not import pandas in its own processes", name=module.__name__)


def leave_pandas_out() -> None:
    """Keep PyArrow from importing pandas, which nothing in this process uses.

    To tell pandas' objects from others, PyArrow imports it with the first array that it makes, wherever it is
    installed. That takes 0.25 s of CPU time, a quarter of a short command. Only for processes of our own: in one that
    imports `finest`, pandas is its user's.
    """
    sys.meta_path.insert(0, _LeftOut())


def allow_pandas() -> None:
    """Take `leave_pandas_out` back, for code of other packages, which may use pandas."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _LeftOut)]
