"""The command `finest merge`."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli.shared import console, dedup_memory_option, lean_imports
from finest.settings import load_settings


@click.command()
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET DATASET...")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder of the merged dataset.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of worker processes.  [default: one per CPU available to this process]",
)
@dedup_memory_option
@click.option(
    "--no-dedup",
    is_flag=True,
    help="Do not compare rows across the datasets. By default, of rows that are nearly the same (by the recipe's "
    "MinHash), that of the dataset named first stays.",
)
@click.option("--quiet", is_flag=True, help="Print only errors and warnings.")
def merge(
    datasets: tuple[str, ...], out: Path, workers: int | None, dedup_memory: int, no_dedup: bool, quiet: bool
) -> None:  # fmt: skip
    """Merge datasets of different WARC files into one.

    DATASET is a folder, REPO@REVISION on the Hub or an address. All must have the same recipe, and no WARC file may be
    in two of them. No WARC is read. Files that lose no row are linked or copied as they are, and every row keeps its
    hash and its proof; the manifest of the result names all sources.

    \b
    finest merge part-1 part-2 part-3 --out crawl
    finest merge alice/web@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c bob-web --out crawl --no-dedup
    """
    if len(datasets) < 2:
        raise click.UsageError("name at least two datasets")
    with lean_imports():
        from finest.dataset.hub_client import quiet_client
        from finest.formatting import byte_size
        from finest.pipeline.merging.merge import MergeOptions
        from finest.pipeline.merging.merge import merge as write
        from finest.pipeline.progress import Progress
        from finest.pipeline.run import default_workers

    settings = load_settings()
    if any("@" in dataset and not Path(dataset).exists() for dataset in datasets):
        quiet_client()
    options = MergeOptions(settings.cache, workers or default_workers(), dedup_memory, compare=not no_dedup)
    manifest = write(datasets, out, options, Progress(quiet=quiet))
    if not quiet:
        console().print(
            f"{manifest.rows:,} rows of {manifest.source_totals.sources:,} WARC files, "
            f"{manifest.token_count:,} tokens, {byte_size(manifest.size_bytes)} in {out}\n"
            f"root {manifest.root}\n"
            f"Verify:  finest verify {out}",
            markup=False,
        )
