"""The commands `finest mine` and `finest dashboard`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.chain.options import chain_options
from finest.cli.shared import common_crawl, size_bytes, work_option
from finest.cli.slurm import Where, executor_options
from finest.errors import NeedsPerson, RecipeError
from finest.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.chain.options import ChainOptions
    from finest.contest.named import NamedRecipes
    from finest.settings import Settings

MAX_WARCS = 64
"""Equal to finest.tasks.models.MAX_WARCS, whose import would slow down the help; a test compares the two."""


@click.command()
@click.option(
    "--hf-repo", required=True, metavar="[OWNER/]NAME",
    help="Dataset repository for tasks alone, with a folder for each; created if it does not exist.",
)  # fmt: skip
@chain_options
@executor_options
@click.option("--limit", type=int, help="Judge only the first N pages of each WARC, for a trial; -1 means no limit.")
@click.option("--recipe", "recipe_name", metavar="NAME|FILE.toml",
              help="Recipe for tasks that ask for none; the others name one that this version has.  [default: the "
              "task server's reference recipe, which is fineweb until it names another]")  # fmt: skip
@click.option("--language", "languages", metavar="CODE[,CODE...]",
              help="Take tasks in these languages as well, such as deu_Latn,fra_Latn.")  # fmt: skip
@click.option(
    "--warcs", type=click.IntRange(1, MAX_WARCS), default=4, show_default=True, help="Number of WARCs in a task."
)
@click.option("--crawl", metavar="CC-MAIN-YYYY-WW|WORK", help="Take tasks of this crawl, or of this work, only.")
@click.option("--once", is_flag=True, help="Finish one task, then exit.")
@click.option(
    "--prefetch/--no-prefetch",
    help="Download the next task's WARCs while the last dataset is published; needs disk space for them.",
)
@work_option
@click.option("--keep", type=size_bytes, metavar="SIZE",
              help="Disk space for tasks that wait for a verdict, e.g. 50GB.  [default: no limit]")  # fmt: skip
@click.option(
    "--canaries", type=click.Path(path_type=Path), metavar="FILE",
    help="For the operator of the task server: plant canaries by this plan, which the server has, too.",
)  # fmt: skip
@click.option("--hand-back", is_flag=True, help="Return all open leases to the task server, then exit.")
def mine(
    hf_repo: str, chain: ChainOptions, where: Where, limit: int | None, recipe_name: str | None, languages: str | None,
    warcs: int, crawl: str | None, once: bool, prefetch: bool, work: Path, keep: int | None, canaries: Path | None,
    hand_back: bool,
) -> None:  # fmt: skip
    """Take tasks, refine them and publish the datasets.

    For each task the miner refines the WARCs, publishes the dataset on the Hub, commits it on the chain and reports it
    to the task server; then it takes the next task. API_URL is the task server's address and HF_TOKEN the token for the
    Hub, both from the environment or .env. `finest doctor` says what is missing.

    You can stop the miner at any time. The same command continues at the step where it stopped. The first Ctrl-C
    lets it finish the current task, a second one stops it at once. Exit status: 0 after a normal stop, 130 after a
    second Ctrl-C, 78 if only a person can help (not registered, no token, a full disk): do not restart it then.

    Type flags with dots, dashes or underscores: --wallet_name is --wallet.name.

    \b
    finest mine --hf-repo my-dataset --wallet.name miner --wallet.hotkey default
    finest mine --hf-repo my-dataset --subtensor.network test --once --limit 1000
    finest mine --hf-repo my-dataset --language deu_Latn,fra_Latn
    finest mine --hf-repo my-dataset --total-tasks 4 --cpus-per-task 8 --keep 50GB
    finest mine --hf-repo my-dataset --executor slurm --total-tasks 16 --cpus-per-task 4
    """
    from finest.cli.views.hub import Upload
    from finest.cli.views.miner import Screen
    from finest.dataset.hub_client import quiet_client
    from finest.miner.start import mine as run
    from finest.miner.steps import Display, MineOptions
    from finest.pipeline.languages import recipes_for_tasks
    from finest.pipeline.run import default_workers
    from finest.recipe.recipe import SHIPPED, load_recipe
    from finest.tasks.canaries import read
    from finest.tasks.reference import REFERENCE_RECIPE

    settings = load_settings()
    quiet_client()
    try:
        recipe = load_recipe(recipe_name or REFERENCE_RECIPE)
        if recipe.language.table:
            raise NeedsPerson(f"tasks ask for recipe {recipe.name} by language; use --language instead of --recipe")
        shipped = (load_recipe(name) for name in SHIPPED if name != (recipe_name or REFERENCE_RECIPE))
        more = tuple(one for one in shipped if not one.language.table)
        more += recipes_for_tasks(languages, settings.cache) if languages else ()
    except RecipeError as error:
        raise NeedsPerson(str(error)) from error
    screen = Screen()
    options = MineOptions(
        hf_repo=hf_repo, work=work, recipe=recipe, cache=settings.cache, common_crawl=common_crawl(settings),
        netuid=chain.netuid, workers=where.workers or default_workers(), limit=limit if limit and limit > 0 else None,
        slurm=where.slurm, ray=where.ray, warcs=warcs, crawl=crawl, once=once, prefetch=prefetch, keep_bytes=keep,
        more_recipes=more, references=None if recipe_name else _references(settings, screen.say),
        canaries=None if canaries is None else read(canaries),
    )  # fmt: skip
    display = Display(screen.console, screen.say, Upload)
    sys.exit(run(options, chain, settings, display, hand_back=hand_back))


def _references(settings: Settings, say: Callable[[str], None]) -> NamedRecipes | None:
    """Return the task server's reference recipes; None without an address, which the miner itself reports."""
    from finest.contest.named import NamedRecipes
    from finest.tasks.client import TaskServer

    if not settings.api_url:
        return None
    return NamedRecipes(TaskServer(settings.api_url, None, receiver=settings.api_hotkey), settings.cache, say)


@click.command()
@work_option
@click.option("--once", is_flag=True, help="Show the dashboard once, then exit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON once, then exit.")
def dashboard(work: Path, once: bool, as_json: bool) -> None:
    """Show the miner's progress, recent results and scores.

    The dashboard shows the current task and its stage, the time left and the disk space. It reads the miner's work
    folder, and asks the task server for scores if API_URL is set. Ctrl-C closes the dashboard; the miner keeps running.

    \b
    finest dashboard
    finest dashboard --work /data/finest-work --once
    """
    settings = load_settings()
    from finest.miner.overview import Scores, overview

    if as_json:
        click.echo(json.dumps(overview(work, Scores(settings.api_url)).to_dict(), indent=1))
        return
    from finest.cli.views.miner import show_dashboard

    show_dashboard(work, settings.api_url, once=once)
