"""Ctrl-C at a terminal while Slurm works."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from finest.cluster.commands import slurm
from tests.e2e.command import SAMPLE, command

pytestmark = pytest.mark.usefixtures("slurm_cluster")


class Terminal:
    """`finest ...` at a terminal of its own."""

    def __init__(self, *arguments: object) -> None:
        self._own, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.said = ""

    def until(self, words: str, *, from_: int = 0) -> None:
        """Read until it has said so."""
        end = time.monotonic() + 300
        while not re.search(words, self.said[from_:]):
            assert time.monotonic() < end, self.said
            if select.select([self._own], [], [], 0.2)[0]:
                try:
                    self.said += os.read(self._own, 4096).decode(errors="replace")
                except OSError:  # the other end is closed
                    assert re.search(words, self.said[from_:]), self.said
                    return

    def answer(self, text: str) -> None:
        os.write(self._own, f"{text}\n".encode())

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        code = self.process.wait(300)
        os.close(self._own)
        return code


def queued() -> list[str]:
    return sorted(slurm("squeue", "-h", "-o", "%F").split())


@pytest.mark.nightly
def test_a_person_is_asked(tmp_path: Path) -> None:
    """n follows on, detach lets the jobs run and says how to follow them again, y cancels them."""
    out = tmp_path / "out"
    terminal = Terminal("refine", SAMPLE, "--out", out, "--executor", "slurm", "--sbatch", "begin=now+1hour")
    terminal.until("Nothing runs: 1 task waits")
    jobs = queued()
    assert len(jobs) == 2
    terminal.interrupt()
    terminal.until("Cancel the 2 jobs of this run")
    heard = len(terminal.said)
    terminal.answer("n")
    terminal.until("Refining 1 WARC file", from_=heard)
    heard = len(terminal.said)
    terminal.interrupt()
    terminal.until("Cancel the 2 jobs", from_=heard)
    terminal.answer("detach")
    terminal.until("finest attach")
    assert terminal.end() == 0
    assert queued() == jobs

    again = Terminal("attach", out)
    again.until("Following job")
    again.until("Refining 1 WARC file")
    again.interrupt()
    again.until("Cancel the 2 jobs")
    again.answer("y")
    again.until("Cancelled jobs")
    assert again.end() == 130
    assert queued() == []
