"""Ctrl-C and SIGTERM: what a process does about them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import hashlib, sys, time
from finest.miner.stop import Stop, exit_code
stop = Stop(lambda: print("first press", flush=True))
with stop:
    print("up", flush=True)
    try:
        {body}
        print("ended", flush=True)
    except KeyboardInterrupt:
        time.sleep(0.2)
        print("interrupted", flush=True)
sys.exit(exit_code(stop.signal))
"""
WORKS = "exec('while not stop.asked.is_set(): time.sleep(0.05)'); time.sleep(0.3)"
SLEEPS = "time.sleep(60)"
DEAF = "hashlib.pbkdf2_hmac('sha256', b'', b'', 1 << 30)"
"""C code that never comes back to the interpreter, as an upload may be."""
WAITS = "stop.wait(60)"
CALLS = "stop.idle = True; time.sleep(60)"
"""A call with nothing in hand, for instance to a server that does not answer."""


@contextlib.contextmanager
def process(body: str) -> Iterator[subprocess.Popen[str]]:
    script = SCRIPT.replace("{body}", body)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout and running.stdout.readline() == "up\n"
            time.sleep(0.2)
            yield running
        finally:
            running.kill()


def ends(running: subprocess.Popen[str], within_s: float) -> tuple[int, str]:
    """Its exit status and what it said."""
    said, _ = running.communicate(timeout=within_s)
    return running.returncode, said


def press(running: subprocess.Popen[str], number: int = signal.SIGINT) -> None:
    os.kill(running.pid, number)
    time.sleep(0.4)


def test_the_first_press_lets_the_work_end() -> None:
    """Nothing is interrupted; exit status 0."""
    with process(WORKS) as running:
        press(running)
        assert ends(running, 3) == (0, "first press\nended\n")


def test_the_first_press_interrupts_no_sleep() -> None:
    """A retry's pause goes on, and so does the process."""
    with process(SLEEPS) as running:
        press(running)
        time.sleep(1.5)
        assert running.poll() is None


@pytest.mark.parametrize(("body", "said"), [(SLEEPS, "interrupted\n"), (DEAF, "")])
def test_the_second_press_ends_it_at_once(body: str, said: str) -> None:
    """Within a second or so, also deep in C code; exit status 130."""
    with process(body) as running:
        press(running)
        os.kill(running.pid, signal.SIGINT)
        assert ends(running, 2) == (130, f"first press\n{said}")


def test_one_press_that_comes_twice_is_one_press() -> None:
    """A supervisor may tell a process and its group."""
    with process(SLEEPS) as running:
        os.kill(running.pid, signal.SIGINT)
        time.sleep(0.05)
        os.kill(running.pid, signal.SIGINT)
        time.sleep(1.5)
        assert running.poll() is None


@pytest.mark.parametrize("body", [WAITS, CALLS])
def test_with_nothing_in_hand_the_first_press_ends_it(body: str) -> None:
    """Exit status 0: a normal stop."""
    with process(body) as running:
        press(running)
        code, said = ends(running, 2)
        assert code == 0 and "first press" not in said


@pytest.mark.parametrize("body", [SLEEPS, DEAF, WAITS])
def test_sigterm_ends_it_at_once(body: str) -> None:
    """As systemd stops it; exit status 143."""
    with process(body) as running:
        os.kill(running.pid, signal.SIGTERM)
        assert ends(running, 2)[0] == 143


@pytest.mark.parametrize(("number", "body", "code"), [(signal.SIGTERM, SLEEPS, 143), (signal.SIGINT, CALLS, 0)])
def test_a_signal_that_comes_twice_does_not_interrupt_the_way_out(number: int, body: str, code: int) -> None:
    """`timeout` and shells tell a process and its group: the journal is left in order, and the status is right."""
    with process(body) as running:
        os.kill(running.pid, number)
        time.sleep(0.1)
        os.kill(running.pid, number)
        assert ends(running, 2) == (code, "interrupted\n")
