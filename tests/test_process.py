"""Processes and those that they start: no other process of the user reads what a command holds."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from finest import cli
from finest.cli import _HOLD_SECRETS
from finest.process import PR_SET_DUMPABLE, hide_memory

NOBODY = 65534
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has this")


def readable(*, hidden: bool) -> bool:
    """Whether one process of an ordinary user can read the environment of another one."""
    told, tells = os.pipe()
    holder = os.fork()
    if not holder:
        _become_nobody()
        if hidden:
            hide_memory()
        os.write(tells, b"x")
        signal.pause()
        os._exit(0)
    assert os.read(told, 1) == b"x"
    reader = os.fork()
    if not reader:
        _become_nobody()
        try:
            Path(f"/proc/{holder}/environ").read_bytes()
        except PermissionError:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1])
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    os.close(told)
    os.close(tells)
    return status == 0


def _become_nobody() -> None:
    """An ordinary user who may be traced, as any process is after an exec."""
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def test_what_is_hidden_is_not_read() -> None:
    """/proc/PID/environ of another process of the same user is open, until that one hides its memory."""
    assert readable(hidden=False)
    assert not readable(hidden=True)


def test_commands_that_hold_secrets_exist() -> None:
    """A command that is renamed is renamed there too."""
    assert set(cli.cli.commands) >= _HOLD_SECRETS


def test_arrow_does_without_pandas(tmp_path: Path) -> None:
    """Our own commands do not wait for it; code of other packages may import it."""
    (tmp_path / "pandas.py").write_text("print('pandas')\nraise ImportError")
    made = "import pyarrow; pyarrow.array([1]); print('made')"
    left_out = f"from finest import process; process.leave_pandas_out(); {made}; process.allow_pandas(); import pandas"
    for code, said in ((made, ["pandas", "made"]), (left_out, ["made", "pandas"])):
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert list(dict.fromkeys(done.stdout.split())) == said, done.stderr


def test_streams_that_the_caller_closed_are_opened() -> None:
    """No file of the run gets the number of a standard stream."""
    closed = "import os, sys; os.closerange(0, 3); os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    check = (
        "import sys; from finest.process import open_standard_streams; open_standard_streams(); "
        "sys.exit([s.fileno() for s in (sys.stdin, sys.stdout, sys.stderr)] != [0, 1, 2] or sys.stdin.isatty())"
    )
    subprocess.run([sys.executable, "-c", closed, check], check=True)


@pytest.mark.parametrize(("full", "status", "said"), [(1, 6, "is full at standard output"), (2, 0, "fineweb")])
def test_a_full_disk_under_a_standard_stream(full: int, status: int, said: str) -> None:
    """What cannot be shown on standard error costs nothing; a result that cannot be printed is an error."""
    code = (
        "import os, sys; from finest import cli; os.dup2(os.open('/dev/full', os.O_WRONLY), int(sys.argv[1])); "
        "cli.mask_logs = lambda: cli.say('progress'); sys.argv[1:] = ['recipe', 'list']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(full)], capture_output=True, text=True, check=False)
    assert done.returncode == status and said in done.stdout + done.stderr
