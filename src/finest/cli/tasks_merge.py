"""The command `finest tasks merge`."""

from __future__ import annotations

import click

from finest.cli.shared import say, task_store
from finest.cli.task_recipes import recipe_at
from finest.formatting import counted
from finest.settings import load_settings

MAX_INPUTS = 64
"""Equal to that of finest.dataset.merge_inputs, whose import would slow down the help; a test compares the two."""


@click.command("merge")
@click.argument("crawl")
@click.option("--index", "repo", required=True, metavar="OWNER/NAME",
              help="Index of the accepted datasets, as finest tasks publish-index made it.")  # fmt: skip
@click.option("--recipe", "recipe_name", required=True, metavar="NAME|REPO@REVISION", help="Recipe of the datasets.")
@click.option("--inputs", type=click.IntRange(2, MAX_INPUTS), default=16, show_default=True,
              help="Number of datasets in a merge.")  # fmt: skip
@click.option(
    "--price", type=float, default=0.05, show_default=True, metavar="NUMBER",
    help="Price of a verified token of a merge: a multiple of the usual pay, at most 10.",
)  # fmt: skip
def merge_command(crawl: str, repo: str, recipe_name: str, inputs: int, price: float) -> None:
    """Lease the merging of accepted datasets of a crawl.

    Each task is to merge some datasets of the index, at their pinned revisions: the miner compares all rows by the
    recipe's MinHash and publishes one dataset without the duplicates. Validators compare its rows with those of the
    datasets. Datasets that are in a merge already are left out, and so are those left over after the last whole group;
    run the command again when more are accepted. It also sets the price for new leases.

    \b
    finest tasks publish-index --hf-repo my-company/finest-index
    finest tasks merge CC-MAIN-2025-26 --index my-company/finest-index --recipe fineweb
    """
    from finest.dataset.hub import Hub, Revision
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.index import read_index
    from finest.errors import UsageError
    from finest.recipe.recipe import SHIPPED
    from finest.tasks.merges import name_of
    from finest.tasks.recipes import AskedRecipe

    settings = load_settings()
    with task_store(settings) as store:
        quiet_client()
        recipe = recipe_at(recipe_name)
        if recipe.dedup.cluster_size:
            raise UsageError(
                f"rows of {recipe.name} state the sizes of their clusters, so its datasets cannot be merged"
            )
        hub = Hub(say=say)
        index = read_index(hub, Revision(repo, hub.head(repo).sha))
        source = recipe.name if recipe_name in SHIPPED else recipe_name
        asked = AskedRecipe(recipe.name, recipe.hash, source)
        new = store.add_merges(crawl, asked, index.select(crawl=crawl), inputs, price)
    click.echo(f"{name_of(crawl, recipe.hash)}: {counted(new, 'new merge')} of {inputs} datasets, price {price:g}")
