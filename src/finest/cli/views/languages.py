"""Terminal views of `finest languages`."""

from __future__ import annotations

import time

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from finest.cli.shared import say
from finest.formatting import byte_size
from finest.pipeline.progress import LINE_EVERY_S
from finest.terminal import plain_console


class Download:
    """Shows how much of a file has come: a bar with the time left on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        console = plain_console(stderr=True)
        columns = TextColumn("Fetching"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=None)
        self._plain, self._said_at = not console.is_terminal, time.monotonic()

    def __enter__(self) -> Download:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, have: int, total: int) -> None:
        """Show that `have` of `total` bytes are here."""
        self._bar.update(self._task, completed=have, total=total)
        if self._plain and time.monotonic() - self._said_at >= LINE_EVERY_S:
            self._said_at = time.monotonic()
            say(f"{byte_size(have)} of {byte_size(total)}")
