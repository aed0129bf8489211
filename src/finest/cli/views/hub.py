"""Terminal views of the commands for the Hub."""

from __future__ import annotations

import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from finest.formatting import byte_size
from finest.terminal import plain_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.dataset.commit import Sent
    from finest.dataset.open import Dataset

LINE_EVERY_S = 10.0
"""Minimum time between two progress lines where the output is not a terminal."""
TEXT_CHARS = 300
"""Maximum number of characters shown of a row's text."""
SHOWN_SOURCES = 5


class Upload:
    """Shows the progress of an upload: a bar with the time left on a terminal, plain lines elsewhere."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._plain = say
        self._began = time.monotonic()
        self._said_at = 0.0
        self._bar: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """Print one line, above the bar if there is one."""
        if self._bar is None:
            self._plain(line)
        else:
            self._bar.console.print(line, markup=False)

    def show(self, sent: Sent) -> None:
        """Show the progress of the upload."""
        if sys.stderr.isatty():
            self._draw(sent)
        elif time.monotonic() - self._said_at >= LINE_EVERY_S or sent.files == sent.of_files:
            self._said_at = time.monotonic()
            self._plain(f"{_words(sent)}{self._left(sent)}")

    def _draw(self, sent: Sent) -> None:
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=plain_console(stderr=True))
            self._task = self._bar.add_task("", total=sent.of_bytes)
            self._bar.start()
        files = f"Uploading, {sent.files} of {sent.of_files} files"
        self._bar.update(self._task, description=files, completed=sent.bytes, total=sent.of_bytes)

    def _left(self, sent: Sent) -> str:
        if not sent.bytes or sent.bytes >= sent.of_bytes:
            return ""
        seconds = (time.monotonic() - self._began) / sent.bytes * (sent.of_bytes - sent.bytes)
        return f", {seconds:,.0f} s left" if seconds < 120 else f", {seconds / 60:,.0f} min left"


def show_dataset(console: Console, dataset: Dataset, sample: list[dict[str, Any]]) -> None:
    """Print an overview of a dataset: its key facts, its sources and a few rows."""
    manifest = dataset.manifest
    lines = [
        ("dataset", str(dataset.place)),
        ("recipe", f"{manifest.recipe.get('name', '')}, hash {manifest.recipe_hash}"),
        ("made by", f"{manifest.created_by}, engine {manifest.engine}, Python {manifest.python}"),
        ("rows", f"{manifest.rows:,} of {manifest.pages:,} pages, {manifest.token_count:,} tokens"),
        ("files", f"{len(manifest.shards):,}, {byte_size(manifest.size_bytes)}"),
        ("verdicts", f"{len(manifest.verdicts):,}, {byte_size(_bytes(manifest.verdicts))}"),
        ("dumps", ", ".join(manifest.dumps[:SHOWN_SOURCES])),
        ("languages", ", ".join(f"{name} {count:,}" for name, count in _largest(manifest.languages))),
        ("root", manifest.root),
        *(("selected", f"{one.parent_rows:,} rows of {one.parent or one.parent_root}: {one.rule}")
          for one in manifest.selections),
    ]  # fmt: skip
    for name, value in lines:
        console.print(Text(f"{name:10} {_printable(value)}"))
    console.print(f"{'sources':10} {manifest.source_totals.sources:,}", markup=False)
    for source in islice(dataset.sources(), SHOWN_SOURCES):
        words = f"  {source.name}  {byte_size(source.size_bytes)}, {source.pages:,} pages"
        console.print(Text(_printable(words)))
    show_rows(console, sample)


def show_rows(console: Console, sample: list[dict[str, Any]]) -> None:
    """Print a few rows of a dataset."""
    for row in sample:
        console.print(
            Text(_printable(f"\n{row['url']}  {row['date']}  {row['language']}, {row['token_count']} tokens"))
        )
        text = row["text"]
        console.print(Text(_printable(text[:TEXT_CHARS] + (" ..." if len(text) > TEXT_CHARS else ""))))


def dataset_dict(dataset: Dataset, sample: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the overview of a dataset as JSON values."""
    manifest = dataset.manifest
    said = manifest.model_dump(
        mode="json", include={"created_by", "engine", "recipe", "recipe_hash", "dumps", "rows", "token_count", "root",
                              "reasons", "losses", "languages", "selections"},
    )  # fmt: skip
    sources = [source.model_dump(mode="json", exclude={"slices"}) for source in dataset.sources()]
    files = [file.model_dump(mode="json") for file in manifest.files]
    return {"where": str(dataset.place), **said, "sources": sources, "files": files, "sample": sample}


def _words(sent: Sent) -> str:
    return f"{sent.files} of {sent.of_files} files sent, {byte_size(sent.bytes)} of {byte_size(sent.of_bytes)}"


def _printable(text: str) -> str:
    """Remove control characters, which could command a terminal, from untrusted text."""
    return "".join(char for char in text if char.isprintable() or char == "\n")


def _largest(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN_SOURCES]


def _bytes(files: Any) -> int:
    return sum(file.size_bytes for file in files)
