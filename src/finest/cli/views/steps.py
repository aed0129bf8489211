"""Show the steps of a long computation: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from finest.pipeline.progress import time_left
from finest.terminal import plain_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

LINE_EVERY_S = 10.0
"""Minimum time between two lines of the same step where the output is not a terminal."""


class Steps:
    """Receives `(step, share done, words)`; a new step begins a new bar."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or plain_console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._step = ""
        self._began = self._said = 0.0
        self._last: tuple[str, float, str] | None = None

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, step: str, share: float, words: str) -> None:
        if self._console.is_terminal:
            self._draw(step, share, words)
        else:
            self._print(step, share, words)

    def _draw(self, step: str, share: float, words: str) -> None:
        if self._bar is None:
            columns = (TextColumn("{task.description:13}"), BarColumn(bar_width=24), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[words]}", markup=False), console=self._console)
            self._bar.start()
        if step != self._step or self._task is None:
            self._step = step
            self._task = self._bar.add_task(step, total=1.0, words=words)
        self._bar.update(self._task, completed=share, words=words)

    def _print(self, step: str, share: float, words: str) -> None:
        now = time.monotonic()
        if step != self._step:
            self._step, self._began, self._said = step, now, now
        elif share < 1 and now - self._said < LINE_EVERY_S:
            return
        if (step, share, words) == self._last:
            return
        self._said, self._last = now, (step, share, words)
        left = f", {time_left((now - self._began) * (1 - share) / share)}" if 0.01 < share < 1 else ""
        self._console.print(f"{step}: {share:4.0%}  {words}{left}", soft_wrap=True, markup=False)
