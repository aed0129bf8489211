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

from finest.miner.stop import DEBOUNCE_S

pytestmark = pytest.mark.slow

SCRIPT = """
import hashlib, sys, threading, time
from finest.miner import stop as module
from finest.miner.stop import Stop, exit_code
{settings}
stop = Stop(lambda: print("first press", flush=True))

def say_when_idle():
    while not stop.idle:
        time.sleep(0.01)
    print("up", flush=True)

with stop:
    try:
        if {idle}:
            threading.Thread(target=say_when_idle, daemon=True).start()
        else:
            print("up", flush=True)
        {body}
        print("ended", flush=True)
    except KeyboardInterrupt:
        time.sleep(0.2)
        print("interrupted", flush=True)
sys.exit(exit_code(stop.signal))
"""
WORKS = "exec('while not stop.asked.is_set(): time.sleep(0.05)'); time.sleep(0.3)"
SLEEPS = "time.sleep(600)"
DEAF = "hashlib.pbkdf2_hmac('sha256', b'', b'', 1 << 30)"
"""C code that never comes back to the interpreter, as an upload may be."""
WAITS = "stop.wait(600)"
CALLS = "stop.idle = True; time.sleep(600)"
"""A call with nothing in hand, for instance to a server that does not answer."""
SOON_S = 200.0
"""Far less than what is interrupted takes, however busy the machine is."""


@contextlib.contextmanager
def process(body: str, **settings: float) -> Iterator[subprocess.Popen[str]]:
    """With as much time as a busy machine needs to end by itself, if it ever comes back to the interpreter."""
    settings = ({} if body == DEAF else {"EXIT_TIMEOUT_S": SOON_S}) | settings
    parts = {
        "{settings}": "\n".join(f"module.{name} = {value}" for name, value in settings.items()),
        "{idle}": str(body in (WAITS, CALLS)), "{body}": body,
    }  # fmt: skip
    script = SCRIPT
    for name, value in parts.items():
        script = script.replace(name, value)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout and running.stdout.readline() == "up\n"
            yield running
        finally:
            running.kill()


def ends(running: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit status and what it said since."""
    said, _ = running.communicate(timeout=SOON_S)
    return running.returncode, said


def press(running: subprocess.Popen[str]) -> None:
    """Ctrl-C, heard, and so long ago that another one is a second one."""
    os.kill(running.pid, signal.SIGINT)
    assert running.stdout and running.stdout.readline() == "first press\n"
    time.sleep(DEBOUNCE_S + 0.1)


def test_the_first_press_lets_the_work_end() -> None:
    """Nothing is interrupted; exit status 0."""
    with process(WORKS) as running:
        press(running)
        assert ends(running) == (0, "ended\n")


def test_the_first_press_interrupts_no_sleep() -> None:
    """A retry's pause goes on, and so does the process."""
    with process(SLEEPS) as running:
        press(running)
        time.sleep(1.0)
        assert running.poll() is None


@pytest.mark.parametrize(("body", "said"), [(SLEEPS, "interrupted\n"), (DEAF, "")])
def test_the_second_press_ends_it_at_once(body: str, said: str) -> None:
    """Also deep in C code; exit status 130."""
    with process(body) as running:
        press(running)
        os.kill(running.pid, signal.SIGINT)
        assert ends(running) == (130, said)


def test_one_press_that_comes_twice_is_one_press() -> None:
    """A supervisor may tell a process and its group."""
    with process(SLEEPS, DEBOUNCE_S=SOON_S) as running:
        press(running)
        os.kill(running.pid, signal.SIGINT)
        time.sleep(1.0)
        assert running.poll() is None


@pytest.mark.parametrize("body", [WAITS, CALLS])
def test_with_nothing_in_hand_the_first_press_ends_it(body: str) -> None:
    """Exit status 0: a normal stop."""
    with process(body) as running:
        os.kill(running.pid, signal.SIGINT)
        code, said = ends(running)
        assert code == 0 and "first press" not in said


@pytest.mark.parametrize("body", [SLEEPS, DEAF, WAITS])
def test_sigterm_ends_it_at_once(body: str) -> None:
    """As systemd stops it; exit status 143."""
    with process(body) as running:
        os.kill(running.pid, signal.SIGTERM)
        assert ends(running)[0] == 143


@pytest.mark.parametrize(("number", "body", "code"), [(signal.SIGTERM, SLEEPS, 143), (signal.SIGINT, CALLS, 0)])
def test_a_signal_that_comes_twice_does_not_interrupt_the_way_out(number: int, body: str, code: int) -> None:
    """`timeout` and shells tell a process and its group: the journal is left in order, and the status is right."""
    with process(body, DEBOUNCE_S=SOON_S) as running:
        os.kill(running.pid, number)
        time.sleep(0.1)
        os.kill(running.pid, number)
        assert ends(running) == (code, "interrupted\n")
