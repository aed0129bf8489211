"""Ctrl-C: once, and no new task is begun; twice, and the miner ends within a second. SIGTERM ends it at once.

A thread reads the signals from a pipe that the interpreter's C code writes to, so that they are heard even while the
main thread is deep in a library. Nothing is lost either way: every step can be done again.
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

GRACE_S = 1.0
"""How long the main thread has to leave by itself; pm2 kills after 1.6 s (its `kill_timeout`)."""
BOUNCE_S = 0.3
"""A second press within this time is the same press: a supervisor may tell a process and its group."""
_PIECE_S = 0.5


class Stop:
    """Whether the miner is to stop. A context manager that answers SIGINT and SIGTERM inside; in the main thread."""

    def __init__(self, on_first: Callable[[], None] = lambda: None) -> None:
        self.asked = threading.Event()
        """No new task is to be begun."""
        self.idle = False
        """Nothing is in hand: the first press ends it."""
        self.signal: int | None = None
        """The one that ended it at once."""
        self._leave = False
        self._raised = 0
        self._on_first = on_first
        self._heard_at = -BOUNCE_S
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        self._main = threading.get_ident()
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._in_main)
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
        """Whether it ends now, whatever is in hand."""
        return self.signal is not None

    @property
    def leaves(self) -> bool:
        """Whether the main thread is to drop what it does: at once, or since nothing was in hand."""
        return self.at_once or self._leave

    def wait(self, seconds: float) -> bool:
        """Wait with nothing in hand; True if it is to stop."""
        self.idle = True
        try:
            return self.asked.wait(seconds)
        finally:
            self.idle = False

    def pause(self, seconds: float, lease: Lease | None = None) -> None:
        """Wait before a step is tried again; raises LeaseLost soon after the lease is lost."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if lease is not None:
                lease.check()
            time.sleep(min(left, _PIECE_S))

    def _in_main(self, *_: object) -> None:
        """Raise once for "leave", once for "at once": a signal that comes twice would interrupt the way out."""
        urgency = 2 if self.at_once else 1 if self._leave else 0
        if urgency > self._raised:
            self._raised = urgency
            raise KeyboardInterrupt

    def _listen(self) -> None:
        with self._ours, contextlib.suppress(OSError):
            while heard := self._ours.recv(64):
                for number in heard:
                    self._hear(number)

    def _hear(self, number: int) -> None:
        now = time.monotonic()
        if number not in (signal.SIGINT, signal.SIGTERM) or self.at_once:
            return
        if number == signal.SIGINT and now - self._heard_at < BOUNCE_S:
            return
        self._heard_at = now
        if number == signal.SIGTERM or self.asked.is_set():
            self.signal = number
            threading.Thread(target=self._insist, name="end", daemon=True).start()
        elif self.idle:
            self._leave = True
        else:
            self._on_first()
        self.asked.set()
        if self.leaves:
            signal.pthread_kill(self._main, signal.SIGINT)  # wakes it from a system call, too

    def _insist(self) -> None:
        time.sleep(GRACE_S)
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h")  # a bar may have hidden the cursor
        os._exit(exit_code(self.signal))


def exit_code(number: int | None) -> int:
    """As shells have it: 130 after Ctrl-C, 143 after SIGTERM, 0 where no signal ended it."""
    return 128 + number if number is not None else 0
