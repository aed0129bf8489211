"""The group `finest contest`: the competition for recipes, whose winner becomes the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.contest_chain import follow, open_command, submit
from finest.cli.groups import Commands
from finest.cli.shared import common_crawl, console, json_of, say
from finest.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.settings import Settings
    from finest.warc.source import Source

PLACE = "FOLDER|REPO@REVISION"


@click.group(cls=Commands)
def contest() -> None:
    """Compete for the best recipe, which becomes the reference.

    \b
    finest contest check my-recipe
    finest contest submit my-recipe --track 20 --hf-repo alice/better
    finest contest run round.toml --out round-12
    finest contest decide round-12/result.json --state standing.json
    """


@contest.command()
@click.argument("where", metavar=PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(where: str, as_json: bool) -> None:
    """Check that a submission may take part.

    A submission is a folder, or a model repository on the Hub, with recipe.toml and the quality models that it names,
    each a .safetensors file beside it of at most 4 MB, 16 MB in all. No other file is read. The command judges the
    pages of the shipped sample, and shows the time a page and the pages kept, beside those of recipe fineweb. Which
    track a recipe is for depends on real pages: finest contest run says it for your own WARCs.

    \b
    finest contest check my-recipe
    finest contest check alice/better@0123456789abcdef0123456789abcdef01234567
    """
    settings = load_settings()
    from finest.cli.views.contest import show_check
    from finest.contest.submission import read_submission
    from finest.contest.trial import tried
    from finest.dataset.hub_client import quiet_client

    quiet_client()
    submission = read_submission(where)
    submission.install(settings.cache)
    trial = tried(submission.recipe, settings.cache)
    about = {
        "recipe": submission.recipe.name, "recipe_hash": submission.recipe.hash, "digest": submission.digest,
        "files": {name: len(data) for name, data in submission.files.items()}, **trial._asdict(),
    }  # fmt: skip
    if as_json:
        click.echo(json_of(about))
    else:
        show_check(console(), submission, trial)


contest.add_command(submit)
contest.add_command(open_command)


@contest.command()
@click.argument("plan_file", metavar="ROUND.toml", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Folder of the round; a stopped round continues there.",
)  # fmt: skip
@click.option("--tier", type=click.Choice(["1", "2"]), help="Model to train instead of the plan's.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Device for tier 2.  [default: a GPU if there is one]"
)
def run(plan_file: Path, out: Path, tier: str | None, device: str | None) -> None:
    """Judge the pages of a round, train small models, and write a result.

    Every entry judges the same pages, and the result is FOLDER/result.json. ROUND.toml names the WARCs of the pool and
    of the held-out text, the seed, and the entries. Tier 1 counts n-grams and runs on any machine; tier 2 trains a
    small Llama from the pinned checkpoint and needs pip install 'finest-data[gpu]'. The command works without a network
    if the WARCs and entries are local. A stopped round continues with the same command. Another validator's plan.json
    can be run again in place of ROUND.toml.

    \b
    finest contest run round.toml --out round-12
    finest contest run round.toml --out trial --tier 1
    """
    settings = load_settings()
    from finest.cli.views.contest import show_result
    from finest.cli.views.steps import Steps
    from finest.contest.plan import Plan, read_plan
    from finest.contest.round import RESULT_NAME, run_round
    from finest.dataset.hub_client import quiet_client

    quiet_client()
    plan = read_plan(plan_file)
    if tier:
        plan = Plan.model_validate(plan.model_dump(by_alias=True) | {"tier": int(tier)})
    with Steps() as steps:
        result = run_round(
            plan, out, _sources(plan.warcs, settings), _sources(plan.heldout, settings), settings.cache, device=device,
            progress=steps, say=say,
        )  # fmt: skip
    show_result(console(), result)
    say(f"Written: {out / RESULT_NAME}. Decide it: finest contest decide {out / RESULT_NAME} --state standing.json")


@contest.command()
@click.argument("result_file", metavar="RESULT.json", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--state", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.json",
    help="What stood before the round; the new state is written there. Made if there is none.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the decision and write nothing.")
def decide(result_file: Path, state: Path, dry_run: bool) -> None:
    """Decide a round, and write what stands after it.

    The decision is a pure function of the result and the state before it: whoever has both gets the same winners,
    margins and pay.

    \b
    finest contest decide round-12/result.json --state standing.json --dry-run
    """
    import hashlib

    from finest.cli.views.contest import show_decisions
    from finest.contest.result import read_result
    from finest.contest.standing import advance, read_standing, write_standing

    result = read_result(result_file)
    sha256 = hashlib.sha256(result.to_json()).hexdigest()
    after, found = advance(read_standing(state), result, sha256)
    show_decisions(console(), result, found, after)
    if not dry_run:
        write_standing(state, after)


@contest.command()
@click.argument("where", metavar=PLACE)
def fetch(where: str) -> None:
    """Put a recipe and its models into the cache, and print its path.

    Use it as any recipe: finest refine crawl.warc.gz --out web --recipe PATH

    \b
    finest contest fetch alice/better@0123456789abcdef0123456789abcdef01234567
    """
    settings = load_settings()
    from finest.contest.submission import read_submission
    from finest.dataset.hub_client import quiet_client

    quiet_client()
    click.echo(read_submission(where).install(settings.cache))


contest.add_command(follow)


def _sources(specs: Sequence[str], settings: Settings) -> list[Source]:
    from finest.validator.quality.assess import named

    return named(specs, common_crawl(settings)) if specs else []
