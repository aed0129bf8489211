"""Start, watch and stop the processes of the devnet's services.

A process holds a lock on `<folder>/run/<name>.lock` from before its first instruction until it ends, however it ends.
The kernel therefore knows whether the process is alive: reused process ids and files left by a killed process cannot
mislead.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STOP_S = 10.0
"""Seconds that a service may take to end after SIGTERM before it is killed."""

POLL_S = 0.05

ANSWER_S = 1.0
"""Longest wait for a response from a service that is up; a response takes milliseconds."""

PROBE = "/_devnet/faults"
"""The path requested to test whether a service responds; the devnet's own services do not log it as a request."""

LOOK_S = 0.5
"""Longest time for which processes that only test a lock may hold it."""


class ServiceProcess:
    """One service of a devnet: `python -m finest.devnet.serve NAME FOLDER`, with a lock, a pid file and a log.

    Any process may check and stop it, not only the one that started it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / "logs" / f"{name}.log"
        self._folder = folder
        self._lock = folder / "run" / f"{name}.lock"
        self._pid = folder / "run" / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, arguments: Sequence[str], *, tied: bool) -> None:
        """Start the service in its own session, so that it survives the end of this terminal.

        With `tied` it ends when this process ends, for whatever reason. Do nothing if it is already running.
        """
        if self.alive:
            return
        for path in (self._lock, self.log):
            path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "a") as lock, self.log.open("wb") as log:
            if not _take(lock.fileno()):
                return
            command = [sys.executable, "-m", "finest.devnet.serve", self.name, str(self._folder), *arguments]
            self._child = subprocess.Popen(  # noqa: S603 - our own module, with arguments of our own
                [*command, *(["--tied"] if tied else [])],
                stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
            write_private(self._pid, f"{self._child.pid}")

    @property
    def alive(self) -> bool:
        """Whether the process is alive, which means that its lock is held."""
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
        """Its process id; None if it is not alive."""
        return int(self._pid.read_text()) if self.alive and self._pid.exists() else None

    def wait_until_up(self, port: int, timeout_s: float) -> bool:
        """Wait until the service responds at `port`, ends or times out; return whether it responds."""
        deadline = time.monotonic() + timeout_s
        while self.alive and time.monotonic() < deadline:
            if answers(port):
                return True
            time.sleep(POLL_S)
        return False

    def stop(self) -> bool:
        """Stop the service with SIGTERM, then SIGKILL; return whether it was running."""
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
        self._pid.unlink(missing_ok=True)
        if self._child is not None:
            self._child.wait(STOP_S)
            self._reap()
        return True

    @property
    def was_started(self) -> bool:
        """Whether it should be running: it was started and not stopped since."""
        return self._pid.exists()

    def last_words(self) -> str:
        """Return the last line of its log, which usually says why it ended."""
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
        """Collect the exit status of a child that has ended, so that it does not remain a zombie."""
        child = self._child
        if child is not None and child.poll() is not None:
            if child.stdin:
                child.stdin.close()
            self._child = None


def _take(lock: int) -> bool:
    """Try to take the lock, waiting for processes that only test it; return whether it is taken."""
    deadline = time.monotonic() + LOOK_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        time.sleep(POLL_S)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: write it under a temporary name, then rename it."""
    write_whole(path, text.encode(), mode=0o600)


def answers(port: int, timeout_s: float = ANSWER_S) -> bool:
    """Whether a server on loopback responds to HTTP at `port`, even with an error; S3 and WebSocket servers do too."""
    request = f"GET {PROBE} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as probe:
            probe.sendall(request.encode())
            return probe.recv(64) != b""
    except OSError:
        return False


def free_port() -> int:
    """Return an unused port; the system assigns ports in turn, so no other program gets it soon."""
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
