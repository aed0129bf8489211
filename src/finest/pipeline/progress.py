"""Show the progress of a run, from its finished slices: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from finest.formatting import byte_size, counted
from finest.terminal import plain_console

if TYPE_CHECKING:
    from rich.progress import Task

    from finest.pipeline.done import SliceDone
    from finest.pipeline.ledger import Ledger
    from finest.pipeline.summary import Totals
    from finest.warc.pauses import Pauses
    from finest.warc.slices import Slice

LINE_EVERY_S = 10.0
"""Minimum time between two progress lines where the output is not a terminal."""


class Rates:
    """How far a run is and how fast, as sums over finished slices."""

    def __init__(self, total_bytes: int, done: Totals) -> None:
        self.total_bytes = max(total_bytes, 1)
        self.bytes, self.pages, self.kept = done.planned_bytes, done.pages, done.kept
        self._began = time.monotonic()
        self._bytes_here = self._pages_here = 0

    def add(self, done: SliceDone, slice_: Slice) -> None:
        self.bytes += slice_.end - slice_.start
        self.pages += done.pages
        self.kept += done.kept
        self._bytes_here += slice_.end - slice_.start
        self._pages_here += done.pages

    @property
    def elapsed_s(self) -> float:
        return max(time.monotonic() - self._began, 1e-6)

    @property
    def pages_per_s(self) -> float:
        return self._pages_here / self.elapsed_s

    @property
    def left_s(self) -> float | None:
        """Estimate the seconds left at this session's pace; None before its first slice is finished."""
        if not self._bytes_here:
            return None
        return max(self.total_bytes - self.bytes, 0) * self.elapsed_s / self._bytes_here

    def words(self) -> str:
        share = f"{self.kept / self.pages:.1%} kept" if self.pages else "no page yet"
        pace = f"{self.pages_per_s:.0f} pages/s" if self._pages_here else "- pages/s"
        return f"{self.pages:,} pages, {share}, {pace}, {time_left(self.left_s)}"


def time_left(seconds: float | None) -> str:
    """Format the time left: `2 h 5 min left`, `40 s left`, or `estimating` for None."""
    if seconds is None:
        return "estimating"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min left"
    return f"{minutes} min {rest} s left" if minutes else f"{rest} s left"


class _Words(ProgressColumn):
    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def render(self, task: Task) -> Text:  # noqa: ARG002
        rates = self._progress.rates
        return Text(rates.words() if rates else "")


class Progress:
    """Reports what a run does. With `quiet` it prints nothing."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console = console or plain_console(stderr=True)
        self.quiet = quiet
        self.rates: Rates | None = None
        self._bar: Bar | None = None
        self._said_at, self._waited_at = 0.0, -math.inf
        self._pauses: Pauses | None = None

    def say(self, line: str) -> None:
        """Print one permanent line."""
        if not self.quiet:
            self.console.print(line, soft_wrap=True, markup=False)

    def begin(self, ledger: Ledger, done: Totals, workers: int) -> None:
        plan, self._pauses = ledger.plan, ledger.pauses()
        total = plan.planned_bytes
        self.rates = Rates(total, done)
        resumed = f", {done.slices} of them finished before" if done.slices else ""
        self.say(
            f"Refining {counted(len(plan.sources), 'WARC file')} ({byte_size(total)}) "
            f"in {counted(len(plan.slices), 'slice')}{resumed}, {counted(workers, 'worker')}"
        )
        if self.console.is_terminal and not self.quiet:
            bar = Bar(
                TextColumn("{task.percentage:>3.0f} %"), BarColumn(bar_width=16), _Words(self),
                console=self.console, auto_refresh=False, transient=True,
            )  # fmt: skip
            try:
                bar.start()
            except KeyboardInterrupt:  # rich cannot stop a bar that has only half started
                self.console.show_cursor()
                raise
            self._bar = bar
            self._bar.add_task("slices", total=total, completed=self.rates.bytes)
            self._bar.refresh()
        self._said_at = time.monotonic()

    def finished(self, done: SliceDone, slice_: Slice) -> None:
        """Count a slice that has been committed to the ledger."""
        assert self.rates is not None
        self.rates.add(done, slice_)
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self.rates.bytes)
        elif time.monotonic() - self._said_at >= LINE_EVERY_S:
            self._said_at = time.monotonic()
            self.say(f"{self.rates.bytes / self.rates.total_bytes:4.0%}  {self.rates.words()}")

    def tick(self) -> None:
        """Redraw the bar, so that its time keeps running between slices; called about once a second.

        A pause of the run is told in a line, at most every LINE_EVERY_S.
        """
        pause = self._pauses.running() if self._pauses else None
        if pause and time.monotonic() - self._waited_at >= max(LINE_EVERY_S, pause.length_s):
            self._waited_at = time.monotonic()
            self.say(pause.words())
        if self._bar:
            self._bar.refresh()

    def end(self) -> None:
        """Remove the bar and print the totals, when the slices are done or the run stops."""
        if self._bar:
            self._bar.stop()
            self._bar = None
        if self.rates:
            self.say(f"100%  {self.rates.pages:,} pages judged, {self.rates.kept:,} kept before deduplication")

    def close(self) -> None:
        """Remove the bar, to leave the terminal as it was."""
        if self._bar:
            self._bar.stop()
            self._bar = None


class Pace:
    """Prints how far a step is and how long it will take, at most every LINE_EVERY_S."""

    def __init__(self, what: str, total: int, progress: Progress) -> None:
        self._what, self._total, self._progress = what, total, progress
        self._done, self._began = 0, time.monotonic()
        self._said = self._began

    def add(self, done: int) -> None:
        self.reach(self._done + done)

    def reach(self, done: int) -> None:
        """Note that so much of the total is done in all."""
        self._done = done
        now = time.monotonic()
        if now - self._said >= LINE_EVERY_S:
            self._said = now
            left = (now - self._began) * (self._total - self._done) / max(self._done, 1)
            self._progress.say(f"{self._what}: {self._done / self._total:4.0%}, {time_left(left)}")
