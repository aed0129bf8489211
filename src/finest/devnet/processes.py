"""The devnet's services as processes: started, noticed when dead, stopped.

A process holds a lock on `<folder>/run/<name>.lock` from before its first instruction to its very end, whatever ends
it, so "alive" is a question to the kernel: no process id is taken for another's, and no file of a killed process lies.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

START_S = 30.0
"""Longest wait for a service to listen: nanio takes 0.7 s on an idle machine, the chain's client libraries 3 s."""

STOP_S = 10.0
"""How long a service may take to end on SIGTERM before it is killed."""

POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Exit:
    """How a service that is not running ended, as far as it could say."""

    last_words: str


class ServiceProcess:
    """One service of a devnet: `python -m finest.devnet.serve NAME FOLDER`, with a lock, a pid file and a log.

    Any process may look at it and stop it, not only the one that started it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / "logs" / f"{name}.log"
        self._folder = folder
        self._lock = folder / "run" / f"{name}.lock"
        self._pid = folder / "run" / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, *, tied: bool) -> None:
        """Start it in a session of its own, so that the end of this terminal does not end it.

        With `tied` it ends with this process, however that ends. Does nothing where it runs already.
        """
        for path in (self._lock, self.log):
            path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "a") as lock, self.log.open("wb") as log:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            command = [sys.executable, "-m", "finest.devnet.serve", self.name, str(self._folder)]
            self._child = subprocess.Popen(
                [*command, *(["--tied"] if tied else [])],
                stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
            self._pid.write_text(str(self._child.pid))

    @property
    def alive(self) -> bool:
        """Whether the process lives: somebody holds its lock."""
        self._reap()
        try:
            with open(self._lock) as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    @property
    def pid(self) -> int | None:
        """Its process id; None where it does not live."""
        return int(self._pid.read_text()) if self.alive and self._pid.exists() else None

    def wait_until_listening(self, port: int, timeout_s: float = START_S) -> bool:
        """Whether it came to listen on `port`; returns as soon as it does or ends."""
        deadline = time.monotonic() + timeout_s
        while self.alive and time.monotonic() < deadline:
            if listening(port):
                return True
            time.sleep(POLL_S)
        return False

    def stop(self) -> bool:
        """Ask it to end, then make it; returns whether it was running."""
        pid = self.pid
        if pid is None:
            return False
        for signal_ in (signal.SIGTERM, signal.SIGKILL):
            self._send(pid, signal_)
            deadline = time.monotonic() + STOP_S
            while self.alive and time.monotonic() < deadline:
                time.sleep(POLL_S)
            if not self.alive:
                break
        return True

    def last_words(self) -> str:
        """The last line of its log: why it ended, if it could say."""
        try:
            lines = self.log.read_text(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _send(self, pid: int, signal_: int) -> None:
        try:
            os.killpg(pid, signal_)
        except ProcessLookupError:
            return

    def _reap(self) -> None:
        """Take notice of an own child's end, so that it does not stay behind as a zombie."""
        child = self._child
        if child is not None and child.poll() is not None:
            if child.stdin:
                child.stdin.close()
            self._child = None


def listening(port: int) -> bool:
    """Whether something on loopback accepts connections at `port`."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody uses now; the system hands them out in turn, so nobody else gets it soon."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a service could listen on `port` now."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
