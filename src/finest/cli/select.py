"""The command `finest select`."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli.shared import console, lean_imports, say
from finest.settings import load_settings


@click.command()
@click.argument("dataset", metavar="FOLDER|REPO@REVISION|ADDRESS")
@click.option(
    "--where",
    "expression",
    required=True,
    metavar="SQL",
    help="Expression that is true for the rows to select: SQL's WHERE over the columns of the dataset.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder of the selected dataset.")
@click.option("--quiet", is_flag=True, help="Print only errors and warnings.")
def select(dataset: str, expression: str, out: Path, quiet: bool) -> None:
    """Make a provable subset of a dataset.

    The subset has the rows for which an expression is true. No WARC is read. Rows keep their hashes, and each page that
    is left out keeps a verdict that says so. The new manifest names the expression and the root of the dataset that it
    was selected from, so that `finest verify` finds a row that was omitted or added.

    \b
    finest select my-dataset --where "language = 'en' AND token_count >= 200" --out long
    finest select my-dataset --where "edu >= 12 AND url NOT LIKE '%/tag/%'" --out educational
    finest select alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c --where "edu >= 12" --out educational
    """
    with lean_imports():
        from finest.cli.views.select import Examined, show_selection
        from finest.dataset.hub_client import quiet_client
        from finest.pipeline.select import select as write

    load_settings()
    if "@" in dataset and not Path(dataset).exists():
        quiet_client()
    with Examined(quiet=quiet) as examined:
        manifest = write(dataset, expression, out, say=(lambda _: None) if quiet else say, progress=examined.begin)
    if not quiet:
        show_selection(console(), dataset, out, manifest)
