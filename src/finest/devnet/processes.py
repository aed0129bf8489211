"""The devnet's services as processes: started, noticed when dead, stopped.

A process holds a lock on `<folder>/run/<name>.lock` from before its first instruction to its very end, whatever ends
it, so "alive" is a question to the kernel: no process id is taken for another's, and no file of a killed process lies.
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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STOP_S = 10.0
"""How long a service may take to end on SIGTERM before it is killed."""

POLL_S = 0.05

ANSWER_S = 1.0
"""Longest wait for any answer of a service that is up; each needs milliseconds."""

PROBE = "/_devnet/faults"
"""What is asked of a service to see whether it answers; the devnet's own do not remember it as a request."""

LOOK_S = 0.5
"""How long a lock may be taken by others that only look whether it is free."""


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

    def start(self, arguments: Sequence[str], *, tied: bool) -> None:
        """Start it in a session of its own, so that the end of this terminal does not end it.

        With `tied` it ends with this process, however that ends. Does nothing where it runs already.
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

    def wait_until_up(self, port: int, timeout_s: float) -> bool:
        """Whether it came to answer at `port`; returns as soon as it does or ends."""
        deadline = time.monotonic() + timeout_s
        while self.alive and time.monotonic() < deadline:
            if answers(port):
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
        self._pid.unlink(missing_ok=True)
        if self._child is not None:
            self._child.wait(STOP_S)
            self._reap()
        return True

    @property
    def was_started(self) -> bool:
        """Whether it should run: it was started, and not stopped since."""
        return self._pid.exists()

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


def _take(lock: int) -> bool:
    """Whether the lock is ours now; those that hold it only to look at it are waited for."""
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
    """Write a file that only its owner may read: under a temporary name, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def answers(port: int, timeout_s: float = ANSWER_S) -> bool:
    """Whether something on loopback answers HTTP at `port`, be it by a refusal: S3 and WebSocket servers do as well."""
    request = f"GET {PROBE} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as probe:
            probe.sendall(request.encode())
            return probe.recv(64) != b""
    except OSError:
        return False


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
