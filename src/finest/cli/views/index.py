"""Terminal views of the index of accepted datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from finest.cli.views.hub import show_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from finest.cli.views.steps import Steps
    from finest.dataset.index import Index, IndexEntry


def checked(steps: Steps, done: int, of: int) -> None:
    """Show that so many of all datasets are checked."""
    steps("datasets", done / of, f"{done:,} of {of:,} checked")


def show_index(
    console: Console, index: Index, entries: Sequence[IndexEntry], refused: Mapping[str, str],
    sample: list[dict[str, Any]],
) -> None:  # fmt: skip
    """Print an index: its size, what was selected of it by crawl, what was refused, and a few rows."""
    head = index.head
    console.print(Text(f"index      {index.revision}"))
    console.print(Text(f"tasks      {head.tasks:,} with {head.rows:,} rows, {head.tokens:,} tokens"))
    console.print(Text(f"root       {head.root}\n"))
    table = Table("crawl", "tasks", "rows", "tokens", "languages", box=None, pad_edge=False)
    for column in table.columns[1:4]:
        column.justify = "right"
    for crawl in sorted({one.crawl for one in entries}):
        own = [one for one in entries if one.crawl == crawl and one.task not in refused]
        rows, tokens = sum(one.rows for one in own), sum(one.tokens for one in own)
        languages = sorted({code for one in own for code in one.languages})
        table.add_row(Text(crawl), f"{len(own):,}", f"{rows:,}", f"{tokens:,}", Text(", ".join(languages[:8])))
    console.print(table)
    for why in refused.values():
        console.print(Text(f"refused    {why}"))
    show_rows(console, sample)


def index_dict(
    index: Index, entries: Sequence[IndexEntry], refused: Mapping[str, str], sample: list[dict[str, Any]]
) -> dict[str, Any]:  # fmt: skip
    """Return an index and what was selected of it as JSON values."""
    return {
        "where": str(index.revision), **index.head.model_dump(mode="json"), "refused": dict(refused),
        "selected": [one.model_dump(mode="json") for one in entries], "sample": sample,
    }  # fmt: skip
