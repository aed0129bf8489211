"""Terminal views of `finest decontaminate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from finest.formatting import counted
from finest.masking import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from finest.pipeline.decontaminate.scan import Hit, Scan
    from finest.recipe.decontaminate.index import Index


def print_hit(hit: Hit) -> None:
    """Print a row that holds an item as one line of JSON."""
    click.echo(json.dumps(asdict(hit)))


def show_scan(console: Console, result: Scan, index: Index, sha256: str) -> None:
    """Print for each set the rows that hold its items, with a few spans."""
    share = f" ({result.hits / result.rows:.3%})" if result.rows else ""
    sets = counted(len(index.head.sets), "set")
    console.print(
        f"{result.hits:,} of {counted(result.rows, 'row')}{share} hold items of {sets}; "
        f"index {sha256[:12]}, {len(index.hashes):,} n-grams of {index.head.n} words",
        markup=False,
    )
    for one in index.head.sets:
        found = len(result.items.get(one.name, ()))
        console.print(f"\n{one.name}: {counted(result.by_set[one.name], 'row')}, {found:,} of its items", markup=False)
        for hit in result.examples.get(one.name, ()):
            console.print(f"  {one_line(hit.url)}\n    {one_line(hit.detail)}", markup=False)
