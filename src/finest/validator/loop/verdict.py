"""Run one verdict, or one spot check, in a child process. If the child fails, there is no evidence: nobody's fault."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from finest.errors import UsageError
from finest.formatting import showable
from finest.sandbox import warn_once
from finest.validator.evidence import read_evidence
from finest.validator.published.spot_check import Checked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from finest.validator.loop.verdict_process import Job
    from finest.validator.models import Evidence

T = TypeVar("T")
WALL_S = 3600.0
"""Timeout of the child: a verdict takes a minute or two; after an hour it is waiting for something that never comes."""
MERGED_ROW_WALL_S = 200e-6
"""What it may take longer for each row of the datasets of a merge: 11 hours for 200 million rows."""
POLL_S = 0.05
LINE_CHARS = 300
_LAST_LINES = 3
_KEPT = re.compile(
    r"PATH|HOME|LANG|TMPDIR|TZ|VIRTUAL_ENV|LD_LIBRARY_PATH|HF_(ENDPOINT|HOME|DEBUG)|SSL_CERT_(FILE|DIR)"
    r"|(REQUESTS|CURL)_CA_BUNDLE|(LC|XDG|PYTHON|AWS|HF_HUB|HF_XET|OMP|OPENBLAS|MKL)_?[A-Z_]*|(HTTPS?|ALL|NO)_PROXY",
    re.ASCII,
)
"""Variables that the child receives, in upper or lower case: paths, and credentials for Common Crawl's bucket. No
passwords of wallets and databases, and no tokens, are among them."""
_OWN_FOLDERS = ("TMPDIR", "HF_HOME")
"""Folder variables of the child and its libraries; they point to a temporary folder that is removed afterwards."""
_NO_TOKEN = {"HF_TOKEN_PATH": os.devnull}
"""Hides the Hub token from the child: a dataset that only this validator can read would be useless to others."""


@dataclass(frozen=True, slots=True)
class VerdictResult:
    """The result of the child process: evidence, or the reason why it is missing."""

    evidence: Evidence | None
    why: str
    cpu_s: float


@dataclass(frozen=True, slots=True)
class SpotCheckResult:
    """The result of a spot check, and the CPU time that it took."""

    checked: Checked
    cpu_s: float


def run_verdict(job: Job, stop: threading.Event, say: Callable[[str], None], wall_s: float = WALL_S) -> VerdictResult:
    """Run the verdict in a child process, which is killed when `stop` is set or after `wall_s`, for a merge later."""
    return _run(job, stop, say, wall_s, _read, lambda why, cpu_s: VerdictResult(None, why, cpu_s))


def run_spot_check(
    job: Job, stop: threading.Event, say: Callable[[str], None], wall_s: float = WALL_S
) -> SpotCheckResult:  # fmt: skip
    """Check another validator's evidence in such a process."""
    return _run(job, stop, say, wall_s, _read_checked, lambda why, s: SpotCheckResult(Checked(unknown=why[:800]), s))


def _run(
    job: Job, stop: threading.Event, say: Callable[[str], None], wall_s: float, read: Callable[[Path, float], T],
    failed: Callable[[str, float], T],
) -> T:  # fmt: skip
    warn_once(say)
    with tempfile.TemporaryDirectory(prefix="finest-verdict-") as folder:
        own = dict.fromkeys(_OWN_FOLDERS, folder)
        out = Path(folder) / "evidence.json"
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "finest.validator.loop.verdict_process", str(out)], cwd=folder,
            env=environment(os.environ) | own, encoding="utf-8", errors="replace", stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, close_fds=True,
        )  # fmt: skip
        lines: deque[str] = deque(maxlen=_LAST_LINES)
        reader = threading.Thread(target=_read_log, args=(process, lines, say), daemon=True)
        try:
            reader.start()
            assert process.stdin
            with contextlib.suppress(BrokenPipeError):  # the child has already ended; its exit status is reported
                with process.stdin:
                    process.stdin.write(job.model_dump_json())
            cpu_s, why = _ended(process, stop, wall_s + MERGED_ROW_WALL_S * job.merged_rows)
        finally:
            _kill(process)
        reader.join(1.0)
        if why is None and process.returncode:
            why = f"the check ended with status {process.returncode}: {' | '.join(lines) or 'it said nothing'}"
        return failed(why, cpu_s) if why else read(out, cpu_s)


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `base` for the child: the only secrets are keys to Common Crawl's bucket, if any."""
    return {name: value for name, value in base.items() if _KEPT.fullmatch(name.upper())} | _NO_TOKEN


def _ended(process: subprocess.Popen[str], stop: threading.Event, wall_s: float) -> tuple[float, str | None]:
    """Wait for the child; return the CPU seconds of it and its children, and why it was killed (None if it was not)."""
    deadline, why = time.monotonic() + wall_s, None
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, why
        if why is None and (stop.is_set() or time.monotonic() > deadline):
            why = "stopped" if stop.is_set() else f"the check took longer than {wall_s:.0f} s"
            _kill(process)
        time.sleep(POLL_S)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill the child and everything it has started, which form one session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _read_log(process: subprocess.Popen[str], lines: deque[str], say: Callable[[str], None]) -> None:
    assert process.stderr
    with process.stderr:
        for line in process.stderr:
            lines.append(showable(line.rstrip(), LINE_CHARS))
            say(lines[-1])


def _read(out: Path, cpu_s: float) -> VerdictResult:
    try:
        return VerdictResult(read_evidence(out), "", cpu_s)
    except UsageError as error:
        return VerdictResult(None, str(error), cpu_s)


def _read_checked(out: Path, cpu_s: float) -> SpotCheckResult:
    try:
        return SpotCheckResult(Checked.model_validate_json(out.read_bytes()), cpu_s)
    except (OSError, ValueError) as error:
        return SpotCheckResult(Checked(unknown=str(error)[:800]), cpu_s)
