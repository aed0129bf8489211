"""The miner's commands: mine, dashboard."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.chain.options import chain_options
from finest.cli.shared import alike, common_crawl, work_option
from finest.cli.slurm import Where, executor_options
from finest.errors import NeedsPerson, RecipeError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.chain.options import ChainOptions

MAX_WARCS = 64
"""finest.tasks.models.MAX_WARCS, which takes longer to import than the help may take; a test holds them together."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_PREFIXES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "t": 1_000_000_000_000}


def size_bytes(text: str) -> int:
    """50GB, 800MB, 1.5 TB: as disks are sold, in powers of 1000."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise click.BadParameter(f"{text!r} is no size; write 50GB or 800MB")
    return int(float(found[1]) * _PREFIXES[found[2].lower()])


@click.command(context_settings={"token_normalize_func": alike})
@click.option(
    "--hf_repo", required=True, metavar="[OWNER/]NAME",
    help="Dataset repository for this miner's tasks alone, a revision each; made if it is not there.",
)  # fmt: skip
@chain_options
@executor_options
@click.option("--limit", type=int, help="Judge only the first N pages of each WARC, to try it out; -1 is no limit.")
@click.option("--recipe", "recipe_name", default="fineweb", show_default=True, metavar="NAME|FILE.toml",
              help="What decides a page's fate.")  # fmt: skip
@click.option("--warcs", type=click.IntRange(1, MAX_WARCS), default=4, show_default=True, help="WARCs per task.")
@click.option("--crawl", metavar="CC-MAIN-YYYY-WW", help="Take tasks of this crawl alone.")
@click.option("--once", is_flag=True, help="Finish one task, then end.")
@click.option(
    "--prefetch/--no-prefetch",
    help="Read the next task's WARCs while the last one is published; takes their size on disk.",
)
@work_option
@click.option("--keep", type=size_bytes, metavar="SIZE",
              help="Work of tasks without a verdict that is kept, e.g. 50GB, the newest.  [default: all]")  # fmt: skip
@click.option("--hand-back", is_flag=True, help="Give all open leases back, and end.")
def mine(
    hf_repo: str, chain: ChainOptions, where: Where, limit: int | None, recipe_name: str, warcs: int,
    crawl: str | None, once: bool, prefetch: bool, work: Path, keep: int | None, hand_back: bool,
) -> None:  # fmt: skip
    """Mine: take a task, refine it, publish it, commit it on the chain, tell the task server; and again.

    API_URL names the task server, HF_TOKEN writes to the Hub; both from the environment or .env. `finest doctor` says
    what is missing.

    Stop it when you like, and start the same command again: it goes on at the step where it was. Ctrl-C finishes the
    task in hand first, a second one stops at once. Exit status: 0 after a normal stop, 130 after a stop at once, 78
    where only a person can help (do not restart: not registered, no token, a full disk).

    Flags may be spelled with dots, dashes or underscores: --wallet_name is --wallet.name.

    \b
    finest mine --hf_repo my-dataset --wallet.name miner --wallet.hotkey default
    finest mine --hf_repo my-dataset --subtensor.network test --once --limit 1000
    finest mine --hf_repo my-dataset --total_tasks 4 --cpus_per_task 8 --keep 50GB
    finest mine --hf_repo my-dataset --executor slurm --total_tasks 16 --cpus_per_task 4
    """
    from finest.cli.views.hub import Upload
    from finest.cli.views.miner import Screen
    from finest.dataset.hub_client import quiet_client
    from finest.miner.start import mine as run
    from finest.miner.steps import Display, MineOptions
    from finest.pipeline.run import default_workers
    from finest.recipe.recipe import load_recipe

    settings = load_settings()
    quiet_client()
    try:
        recipe = load_recipe(recipe_name)
    except RecipeError as error:
        raise NeedsPerson(str(error)) from error
    options = MineOptions(
        hf_repo=hf_repo, work=work, recipe=recipe, cache=settings.cache, common_crawl=common_crawl(settings),
        netuid=chain.netuid, workers=where.workers or default_workers(), limit=limit if limit and limit > 0 else None,
        slurm=where.slurm, ray=where.ray, warcs=warcs, crawl=crawl, once=once, prefetch=prefetch, keep_bytes=keep,
    )  # fmt: skip
    screen = Screen()
    display = Display(screen.console, screen.say, Upload)
    sys.exit(run(options, chain, settings, display, hand_back=hand_back))


@click.command()
@work_option
@click.option("--once", is_flag=True, help="Show it once, and end.")
@click.option("--json", "as_json", is_flag=True, help="For programs; once.")
def dashboard(work: Path, once: bool, as_json: bool) -> None:
    """Show what the miner does: current task, stage, progress, time left, disk, last results and scores.

    It reads the work folder, and the task server for scores if API_URL is set. Ctrl-C ends it; the miner goes on.

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


COMMANDS = (mine, dashboard)
"""In the order in which a person meets them."""
