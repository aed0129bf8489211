"""The command `finest tasks merge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finest.cli.shared import say, task_store
from finest.cli.task_recipes import recipe_at
from finest.cli.tasks_index import published_index
from finest.formatting import counted
from finest.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.dataset.merge_inputs import MergeLease
    from finest.tasks.merges import MergeRound

MAX_INPUTS = 64
"""Equal to that of finest.dataset.merge_inputs, whose import would slow down the help; a test compares the two."""


@click.command("merge")
@click.argument("crawl")
@click.option("--index", "repo", required=True, metavar="[OWNER/]NAME",
              help="Repository of the index of accepted datasets, which the command publishes first.")  # fmt: skip
@click.option("--recipe", "recipe_name", required=True, metavar="NAME|REPO@REVISION", help="Recipe of the datasets.")
@click.option("--inputs", type=click.IntRange(2, MAX_INPUTS), default=16, show_default=True,
              help="Number of datasets in a merge, but for the last ones.")  # fmt: skip
@click.option(
    "--price", type=float, default=0.05, show_default=True, metavar="NUMBER",
    help="Price of a verified token of a merge: a multiple of the usual pay, at most 10.",
)  # fmt: skip
@click.option("--without-missing", is_flag=True,
              help="Also merge the last datasets if WARC files of the crawl have no accepted dataset.")  # fmt: skip
def merge_command(
    crawl: str, repo: str, recipe_name: str, inputs: int, price: float, without_missing: bool
) -> None:  # fmt: skip
    """Lease the merging of accepted datasets of a crawl.

    Each task is to merge some accepted datasets, at their pinned revisions: the miner compares all rows by the
    recipe's MinHash and publishes one dataset without the duplicates, and validators compare its rows with those of the
    datasets. The command publishes the index, leases merges of the datasets that are in none yet, and says what is
    left until the crawl is one dataset. Repeat it, for instance from a timer: accepted merges are merged again. Once
    every WARC file of the crawl has an accepted dataset and every merge is accepted, what is left over is merged, too.
    If a miner gave a merge back or a validator could not judge it, the command looks whether its datasets are still
    there: if one is gone, the merge is withdrawn, and the others are merged anew. It also sets the price for new
    leases.

    \b
    finest tasks merge CC-MAIN-2025-26 --index my-company/finest-index --recipe fineweb
    """
    from finest.errors import UsageError
    from finest.recipe.recipe import SHIPPED
    from finest.tasks.merges import name_of
    from finest.tasks.recipes import AskedRecipe

    with task_store(load_settings()) as store:
        recipe = recipe_at(recipe_name)
        if recipe.dedup.cluster_size:
            raise UsageError(
                f"rows of {recipe.name} state the sizes of their clusters, so its datasets cannot be merged"
            )
        entries, _ = published_index(store, repo)
        source = recipe.name if recipe_name in SHIPPED else recipe_name
        asked = AskedRecipe(recipe.name, recipe.hash, source)
        gone = _gone(store.stuck_merges(crawl, asked, entries))
        done = store.add_merges(crawl, asked, entries, inputs, price, without_missing=without_missing, gone=gone)
    datasets = f" of {counted(sum(done.sizes), 'dataset')}" if done.sizes else ""
    click.echo(f"{name_of(crawl, recipe.hash)}: {counted(len(done.sizes), 'new merge')}{datasets}, price {price:g}")
    if done.withdrawn:
        click.echo(f"{counted(done.withdrawn, 'merge')} withdrawn; what is left of their datasets is free for new ones")
    click.echo(_remaining(done, without_missing=without_missing))


def _gone(merges: Sequence[MergeLease]) -> dict[str, str]:
    """Return which datasets of these merges are gone from the Hub, with the reasons, and say so."""
    from finest.cli.views.index import checked
    from finest.cli.views.steps import Steps
    from finest.tasks.index import gone_inputs

    with Steps() as steps:
        found = gone_inputs(merges, lambda done, of: checked(steps, done, of))
    for place, why in found.items():
        say(f"Gone: {place}: {why}")
    return found


def _remaining(done: MergeRound, *, without_missing: bool) -> str:
    """Say in a line what is left until the crawl is one dataset, and what to do."""
    if done.whole is not None:
        return f"The crawl is one dataset of {done.whole.rows:,} rows: {done.whole.place}"
    left = [
        f"{counted(done.waiting, 'merge')} to be accepted", f"{counted(done.left, 'dataset')} in no merge",
        f"{counted(done.missing, 'WARC file')} without an accepted dataset",
    ]  # fmt: skip
    line = f"Left until the crawl is one dataset: {', '.join(left)}. "
    if done.waiting or (done.missing and not without_missing):
        end = "" if done.waiting else "; --without-missing merges the last datasets without those WARC files"
        return f"{line}Run this command again when more is accepted{end}"
    if done.left:
        from finest.dataset.merge_inputs import MAX_MERGED_ROWS

        return f"{line}No two of the datasets have {MAX_MERGED_ROWS:,} rows or fewer, the most that a merge may have"
    return f"{line}No dataset of this crawl and recipe is accepted yet"
