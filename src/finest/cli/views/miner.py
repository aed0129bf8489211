"""Terminal views of the miner: lines while it works, and the dashboard."""

from __future__ import annotations

import logging
import os
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from finest.formatting import byte_size, compact, counted, duration, showable, whole
from finest.miner.journal import STEPS
from finest.miner.overview import Overview, Scores, TaskLine, overview
from finest.miner.status_file import STOPPED, Activity
from finest.terminal import plain_console

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.pipeline.status import Status

REFRESH_S = 1.0
BAR_WIDTH = 40
SHORT_ID = 12
NARROW = 110
"""On a terminal with fewer columns, the list omits what the journals contain as well."""
_ADDRESS = re.compile(r"https?://\S*/")
"""Matches an address except its last part, which distinguishes files."""
_STYLES = {"finished": "green", "failed": "red", "lost": "yellow", "released": "dim"}


class Screen:
    """Prints lines on standard error: above the bar on a terminal, with the time (UTC) elsewhere."""

    def __init__(self) -> None:
        self.console = plain_console(stderr=True)
        logging.getLogger("finest").handlers[:] = [_Said(self.say)]

    def say(self, line: str) -> None:
        """Print one event."""
        if not self.console.is_terminal:
            line = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}  {line}"
        self.console.print(line, soft_wrap=True, markup=False)


class _Said(logging.Handler):
    """Shows warnings of the engine, such as retries of a source, as events."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say, self._process = say, os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        if os.getpid() == self._process:  # not in forked workers: a thread may have held the inherited lock
            self._say(record.getMessage())


def show_dashboard(work: Path, api_url: str | None, *, once: bool) -> None:
    """Show the state of the work folder until Ctrl-C, or once."""
    console, scores = plain_console(), Scores(api_url)
    if once or not console.is_terminal:
        console.print(draw(overview(work, scores), console.width))
        return
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(draw(overview(work, scores, wait=False), console.width), refresh=True)
                time.sleep(REFRESH_S)
    except KeyboardInterrupt:
        return


def draw(seen: Overview, width: int) -> RenderableType:
    """Build the dashboard."""
    parts: list[RenderableType] = [_head(seen), _in_hand(seen)]
    parts.append(_tasks(seen, narrow=width < NARROW) if seen.tasks else Text("No task yet.", style="dim"))
    return Group(*parts, _foot(seen))


def _head(seen: Overview) -> Text:
    state = Text("at work", style="bold green") if seen.running else Text("stopped", style="bold yellow")
    return Text.assemble(("Finest Data miner", "bold"), "  ", state, "  ", (seen.work, "dim"))


def _in_hand(seen: Overview) -> RenderableType:
    doing = seen.doing
    if not seen.running or doing is None:
        return Panel(Text(_last(doing)), title="now", title_align="left")
    lines: list[RenderableType] = [_steps(seen)]
    words = f"{showable(doing.words, 300)}, for {duration(max(0.0, time.time() - doing.since))}"
    if doing.until is not None:
        words += f"; again in {duration(max(0.0, doing.until - time.time()))}"
    lines.append(Text(words))
    if seen.refining is not None:
        lines += _refining(seen.refining, seen)
    return Panel(Group(*lines), title="now", title_align="left")


def _last(doing: Activity | None) -> str:
    """Say that no miner is running, and why the last one stopped, as far as it recorded that."""
    line = "No miner is running here. Start one: finest mine --hf-repo NAME"
    if doing is None or doing.words == STOPPED:
        return line
    ago = duration(max(0.0, round(time.time() - doing.at)))
    said = showable(doing.words.removeprefix(f"{STOPPED}: "), 600)
    return f"{line}\nThe last one stopped {ago} ago: {said}"


def _steps(seen: Overview) -> Text:
    """Build the line of steps (leased, refined, ...) that marks the finished steps of the current task."""
    task = next((one for one in seen.tasks if seen.doing and one.id == seen.doing.task), None)
    if task is None:
        return Text("no current task", style="dim")
    names = ("leased", *STEPS)
    done = names.index(task.state) if task.state in names else len(STEPS)
    text = Text()
    for number, name in enumerate(names):
        style = "green" if number <= done else "bold" if number == done + 1 else "dim"
        text.append(f"{'✓' if number <= done else '▸' if number == done + 1 else '·'} {name}  ", style=style)
    return text


def _refining(run: Status, seen: Overview) -> list[RenderableType]:
    workers = seen.doing.workers if seen.doing else 1
    left = "time left: estimating" if seen.left_s is None else f"about {duration(seen.left_s)} left"
    kept = f", {run.kept / run.pages:.1%} kept" if run.pages else ""
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=max(1, run.bytes), completed=run.bytes_done, width=BAR_WIDTH),
        f"{run.bytes_done / max(1, run.bytes):.0%} of {byte_size(run.bytes)}",
    )
    pace = f"{whole(run.pages_per_s * workers)} pages/s" if run.pages_per_s else "no speed yet"
    return [
        bar,
        Text(f"{run.slices_done} of {run.slices} slices, {whole(run.pages)} pages{kept}"),
        Text(f"{counted(workers, 'worker')}, {pace}, {left}"),
    ]


def _tasks(seen: Overview, *, narrow: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name in ("task", "state", "rows", "tokens", "score"):
        table.add_column(name, justify="right" if name in ("rows", "tokens", "score") else "left", no_wrap=True)
    if not narrow:
        table.add_column("root", no_wrap=True)
    table.add_column("result", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("ago", justify="right", no_wrap=True)
    for task in seen.tasks:
        cells: list[RenderableType] = [
            task.id[:SHORT_ID] if narrow else task.id,
            Text(task.state, style=_STYLES.get(task.state, "")),
            "" if task.rows is None else whole(task.rows),
            "" if task.tokens is None else compact(task.tokens),
            _score(task),
        ]
        cells += [] if narrow else [(task.root or "")[:12]]
        cells += [Text(_outcome(task)), duration(max(0.0, round(time.time() - task.changed_at)))]
        table.add_row(*cells)
    return table


def _score(task: TaskLine) -> Text:
    if task.score is not None:
        return Text(f"{task.score:.2f}", style="red" if "fail" in task.verdicts else "green")
    return Text("no evidence" if task.verdicts else "", style="dim")


def _outcome(task: TaskLine) -> str:
    if task.why is not None:
        return _ADDRESS.sub("…/", showable(task.why, 200).replace("\n", " "))
    return f"{task.repo}@{(task.revision or '')[:12]}" if task.repo else ""


def _foot(seen: Overview) -> Text:
    counts = ", ".join(f"{number} {state}" for state, number in sorted(seen.counts.items())) or "none"
    disk = f"{byte_size(seen.used_bytes)} used here, {byte_size(seen.free_bytes)} free"
    return Text(f"tasks        {counts}\ndisk         {disk}\ntask server  {seen.task_server}", style="dim")
