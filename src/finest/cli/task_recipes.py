"""The commands `finest tasks recipes` and `finest tasks set-recipe`: the recipes that tasks ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import console, say, task_store
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.recipe.recipe import Recipe

LANGUAGE = "eng_Latn"


@click.command("recipes")
def recipes_command() -> None:
    """Show the recipes that tasks of the server at API_URL ask for.

    One with a block is the reference of its language from that block on, for tasks of work that names no recipe. The
    others are asked for by work alone that names them.

    \b
    API_URL=https://tasks.example.org finest tasks recipes
    """
    from rich.table import Table

    from finest.tasks.client import TaskServer

    settings = load_settings()
    server = TaskServer(settings.api_url, None, receiver=settings.api_hotkey, say=say)
    try:
        found = server.recipes()
    finally:
        server.close()
    table = Table("language", "from block", "recipe", "hash", "source", box=None, pad_edge=False)
    for one in found:
        since = "" if one.since_block is None else f"{one.since_block:,}"
        table.add_row(one.language, since, one.name, one.hash[:12], one.source)
    console().print(table if found else "No recipe is named, so fineweb is the reference")


def recipe_at(source: str) -> Recipe:
    """Return a shipped recipe by its name, or that of a repository at its revision, which is checked.

    Raises UsageError for a local file or folder, which nobody else can read.
    """
    from finest.contest.submission import read_submission
    from finest.errors import UsageError
    from finest.recipe.recipe import SHIPPED, load_recipe

    if source in SHIPPED:
        return load_recipe(source)
    if Path(source).exists():
        raise UsageError(
            f"{source} is on this machine alone; miners and validators read recipes on the Hub: finest contest submit "
            f"{source} --hf-repo NAME, then name REPO@REVISION"
        )
    return read_submission(source).recipe


@click.command("set-recipe")
@click.argument("source", metavar="REPO@REVISION|NAME")
@click.option("--since", "since_block", type=click.IntRange(0), required=True, metavar="BLOCK",
              help="Tasks leased from this block on ask for it; leave validators a day to fetch it.")  # fmt: skip
@click.option("--language", default=LANGUAGE, show_default=True, metavar="CODE", help="Language of its tasks.")
def set_recipe_command(source: str, since_block: int, language: str) -> None:
    """Make a recipe, such as a winner, the reference of tasks.

    SOURCE is the winner's repository at its revision, or the name of a shipped recipe. The recipe is read and checked;
    the server's public list then says its name, its hash, where it is, and since when. The database is DATABASE_URL.

    \b
    finest tasks set-recipe alice/better@0123456789abcdef0123456789abcdef01234567 --since 5000000
    """
    from pydantic import ValidationError

    from finest.dataset.hub_client import quiet_client
    from finest.errors import UsageError
    from finest.tasks.models import ReferenceRecipe

    settings = load_settings()
    with task_store(settings) as store:
        quiet_client()
        recipe = recipe_at(source)
        try:
            entry = ReferenceRecipe(
                name=recipe.name, hash=recipe.hash, source=source, language=language, since_block=since_block
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise UsageError(f"{first['loc'][0]}: {first['msg']}") from error
        added = store.add_recipe(entry)
    click.echo(f"{'named' if added else 'was named before'}: {recipe.name} {recipe.hash} from block {since_block:,} on")
