"""Terminal views of `finest select`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from finest.cli.shared import say
from finest.formatting import byte_size
from finest.pipeline.progress import LINE_EVERY_S, time_left
from finest.terminal import plain_console

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from finest.dataset.manifest import Manifest


class Examined:
    """Shows how many rows have been examined: a bar with the time left on a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        console = plain_console(stderr=True)
        columns = (
            TextColumn("Selecting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows"),
            TimeRemainingColumn(),
        )
        self._quiet = quiet
        self._bar = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
        self._began = self._said_at = time.monotonic()
        self._rows = self._total = 0

    def __enter__(self) -> Examined:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, rows: int) -> Callable[[int], None]:
        """Begin to examine a dataset of that many rows; returns what counts them."""
        self._total = rows
        self._bar.add_task("rows", total=rows)
        return self._add

    def _add(self, rows: int) -> None:
        self._rows += rows
        self._bar.update(self._bar.task_ids[0], completed=self._rows)
        now = time.monotonic()
        if self._bar.disable and not self._quiet and now - self._said_at >= LINE_EVERY_S:
            self._said_at = now
            left = (now - self._began) / self._rows * (self._total - self._rows)
            say(f"{self._rows:,} of {self._total:,} rows examined, {time_left(left)}")


def show_selection(console: Console, dataset: str, out: Path, manifest: Manifest) -> None:
    """Print a finished selection in a few lines, and what to do next."""
    before = manifest.selections[-1].parent_rows
    share = f" ({manifest.rows / before:.1%})" if before else ""
    console.print(
        f"{manifest.rows:,} of {before:,} rows{share}, {manifest.token_count:,} tokens, "
        f"{byte_size(manifest.size_bytes)} in {out}\n"
        f"root {manifest.root}\n"
        f"Verify:  finest verify {out} --parent {dataset}",
        markup=False,
    )
    if not manifest.rows:
        say(f"Warning: no row satisfies the selection; see the values with: finest open {dataset}")
