"""The commands `finest recipe ...`."""

from __future__ import annotations

import click

from finest.cli.groups import Commands
from finest.cli.shared import json_of, say
from finest.recipe import SHIPPED
from finest.settings import load_settings


@click.group(cls=Commands)
def recipe() -> None:
    """Show recipes and their hashes.

    A recipe holds everything that decides which pages are kept: stages, thresholds, and versions of models and
    libraries.

    \b
    finest recipe list
    finest recipe show fineweb
    """


@recipe.command("list")
def recipe_list() -> None:
    """List the recipes that come with finest.

    \b
    finest recipe list
    """
    from finest.recipe.recipe import load_recipe

    for name in SHIPPED:
        loaded = load_recipe(name)
        click.echo(f"{name:16} {loaded.hash[:12]}  {loaded.description}")


@recipe.command("show")
@click.argument("name", default="fineweb", metavar="NAME|FILE.toml")
def recipe_show(name: str) -> None:
    """Print a recipe with every value filled in.

    \b
    finest recipe show fineweb
    """
    from finest.recipe.recipe import load_recipe

    click.echo(json_of(load_recipe(name).resolved()))


@recipe.command("fetch")
@click.argument("name", metavar="NAME|FILE.toml")
def recipe_fetch(name: str) -> None:
    """Fetch the models and the index that a recipe names.

    They are put into the cache. Commands that refine pages do this themselves. Programs that judge single pages need
    them on the machine.

    \b
    finest recipe fetch my-recipe.toml
    """
    from finest.pipeline.decontaminate.indexes import provide_index
    from finest.pipeline.quality_models import provide_models
    from finest.recipe.recipe import load_recipe

    settings = load_settings()
    recipe = load_recipe(name)
    for path in provide_models(recipe.quality_model, settings.cache, say=say):
        click.echo(path)
    if index := provide_index(recipe, settings.cache, say=say):
        click.echo(index)


@recipe.command("hash")
@click.argument("name", default="fineweb", metavar="NAME|FILE.toml")
def recipe_hash(name: str) -> None:
    """Print a recipe's hash.

    Two recipes with the same hash decide alike on every page.

    \b
    finest recipe hash my-recipe.toml
    """
    from finest.recipe.recipe import load_recipe

    click.echo(load_recipe(name).hash)
