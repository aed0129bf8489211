"""Stopping the miner: after the first Ctrl-C it starts no new task; a second one or SIGTERM ends it within a second.

A thread reads the signals from a pipe that the interpreter's C code writes to, so that the miner reacts even while its
main thread is inside a library. Nothing is lost either way, because every step is safe to repeat.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.miner.lease import Lease

EXIT_TIMEOUT_S = 1.0
"""Time for the main thread to exit by itself; pm2 kills after 1.6 s (its `kill_timeout`)."""
DEBOUNCE_S = 0.3
"""A second Ctrl-C within this time counts as the first: a supervisor may signal a process and also its group."""
_PIECE_S = 0.5


class Stop:
    """Whether the miner is to stop. A context manager for the main thread that handles SIGINT and SIGTERM inside."""

    def __init__(self, on_first: Callable[[], None] = lambda: None) -> None:
        self.asked = threading.Event()
        """Set when the miner must not start a new task."""
        self.idle = False
        """True while the miner has no task, so that the first Ctrl-C ends it."""
        self.signal: int | None = None
        """The signal that ended the miner at once; None if there was none."""
        self._leave = False
        self._raised = 0
        self._on_first = on_first
        self._last_signal_s = -DEBOUNCE_S
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        self._main = threading.get_ident()
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._interrupt_main)
        self._fd_before = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._theirs.close()  # ends the thread

    @property
    def at_once(self) -> bool:
        """Whether the miner must end now, even in the middle of a task."""
        return self.signal is not None

    @property
    def leaves(self) -> bool:
        """Whether the main thread must stop what it is doing: at once, or because the miner has no task."""
        return self.at_once or self._leave

    def wait(self, seconds: float) -> bool:
        """Wait without a task; returns True if the miner is to stop."""
        self.idle = True
        try:
            return self.asked.wait(seconds)
        finally:
            self.idle = False

    def pause(self, seconds: float, lease: Lease | None = None) -> None:
        """Wait before a step is retried; raises LeaseLost soon after the lease is lost."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if lease is not None:
                lease.check()
            time.sleep(min(left, _PIECE_S))

    def _interrupt_main(self, *_: object) -> None:
        """Raise KeyboardInterrupt once per level of urgency, so that a repeated signal does not interrupt the exit."""
        urgency = 2 if self.at_once else 1 if self._leave else 0
        if urgency > self._raised:
            self._raised = urgency
            raise KeyboardInterrupt

    def _listen(self) -> None:
        with self._ours, contextlib.suppress(OSError):
            while received := self._ours.recv(64):
                for number in received:
                    self._on_signal(number)

    def _on_signal(self, number: int) -> None:
        now = time.monotonic()
        if number not in (signal.SIGINT, signal.SIGTERM) or self.at_once:
            return
        if number == signal.SIGINT and now - self._last_signal_s < DEBOUNCE_S:
            return
        self._last_signal_s = now
        if number == signal.SIGTERM or self.asked.is_set():
            self.signal = number
            threading.Thread(target=self._force_exit, name="end", daemon=True).start()
        elif self.idle:
            self._leave = True
        else:
            self._on_first()
        self.asked.set()
        if self.leaves:
            signal.pthread_kill(self._main, signal.SIGINT)  # also wakes it from a system call

    def _force_exit(self) -> None:
        time.sleep(EXIT_TIMEOUT_S)
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h")  # a bar may have hidden the cursor
        os._exit(exit_code(self.signal))


def exit_code(number: int | None) -> int:
    """The exit status by the shells' convention: 130 after Ctrl-C, 143 after SIGTERM, 0 without a signal."""
    return 128 + number if number is not None else 0
