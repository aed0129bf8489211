"""The commands of `finest contest` that use the chain: submit, open and follow."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finest.chain.options import chain_options
from finest.cli.shared import common_crawl, say
from finest.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.chain.options import ChainOptions
    from finest.chain.subnet import Chain
    from finest.contest.calendar import Calendar
    from finest.contest.sealing import Sealed

LOOK_S = 60.0
"""Time between two looks at the chain."""
STATE = Path("finest-contest.json")
_state = click.option(
    "--state", type=click.Path(dir_okay=False, path_type=Path), default=STATE, show_default=True, metavar="FILE",
    help="File of the submission with its secret salt. Keep it until the seal is open.",
)  # fmt: skip


def calendar_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the lengths of a round, which are the same for everybody on a subnet."""
    for flag in (
        click.option("--round-blocks", type=click.IntRange(20), default=50_400, show_default=True,
                     help="Blocks of a round, as everybody on the subnet has them; 50,400 are a week."),
        click.option("--opening-blocks", type=click.IntRange(5), default=7_200, show_default=True,
                     help="Blocks after a round in which its seals are opened."),
    ):  # fmt: skip
        command = flag(command)
    return command


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--track", type=click.Choice(["5", "20", "60"]), required=True,
              help="Percent of fineweb's tokens that the recipe keeps: 4 to 6.25, 16 to 25, or 48 to 75.")  # fmt: skip
@click.option("--hf-repo", "repo", required=True, metavar="OWNER/NAME",
              help="Model repository that the submission is published in, after the round is closed.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Seal only; open later with finest contest open.")
@_state
@calendar_options
@chain_options
def submit(
    folder: Path, track: str, repo: str, no_wait: bool, state: Path, round_blocks: int, opening_blocks: int,
    chain: ChainOptions,
) -> None:  # fmt: skip
    """Submit a recipe to the running round.

    The command checks the folder, commits a seal on the chain (a hash that tells nobody anything), waits until the
    round takes no more seals, then publishes the folder and opens the seal. Nothing is on the Hub before that, and
    whoever sees it then is too late for the round. Use a hotkey that does not mine, because its next commitment would
    replace the seal. If the command was stopped, run it again. The seal must be opened within a day of the end of the
    round.

    \b
    finest contest submit my-recipe --track 20 --hf-repo alice/better --wallet.name alice --wallet.hotkey recipes
    """
    settings = load_settings()
    from finest.chain.subnet import Chain
    from finest.contest.calendar import Calendar
    from finest.contest.sealing import seal
    from finest.contest.submission import read_submission
    from finest.contest.trial import tried

    submission = read_submission(str(folder))
    submission.install(settings.cache)
    tried(submission.recipe, settings.cache)
    calendar = Calendar(round_blocks, opening_blocks)
    with Chain(chain) as subnet:
        sealed = seal(subnet, calendar, submission, int(track), repo, state)
        say(
            f"Sealed in block {sealed.block} for round {sealed.number}, track {track}. Keep {state}: without it nobody "
            "can open the seal"
        )
        if not no_wait:
            _open(subnet, calendar, sealed, folder, state, wait=True)


@click.command("open")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_state
@calendar_options
@chain_options
def open_command(folder: Path, state: Path, round_blocks: int, opening_blocks: int, chain: ChainOptions) -> None:
    """Publish and open a sealed submission after its round.

    \b
    finest contest open my-recipe --wallet.name alice --wallet.hotkey recipes
    """
    load_settings()
    from finest.chain.subnet import Chain
    from finest.contest.calendar import Calendar
    from finest.contest.sealing import read_sealed
    from finest.errors import UsageError

    sealed = read_sealed(state)
    if sealed is None:
        raise UsageError(f"there is no {state}; submit first: finest contest submit FOLDER --track 20 --hf-repo NAME")
    with Chain(chain) as subnet:
        _open(subnet, Calendar(round_blocks, opening_blocks), sealed, folder, state, wait=False)


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("finest-contest"), show_default=True,
              help="Folder of the rounds and of what stands; name it to finest validate --contest.")  # fmt: skip
@click.option("--once", is_flag=True, help="Run the round that is due, if there is one, then exit.")
@click.option("--tier", type=click.Choice(["1", "2"]), default="2", show_default=True,
              help="Model to train: 1 an n-gram model, 2 a small Llama; all validators need the same.")  # fmt: skip
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Device for tier 2.  [default: cuda if there is one]"
)
@click.option("--max-pages", type=click.IntRange(1), help="Pages that are judged at most.  [default: 400,000]")
@click.option("--tokens", type=click.IntRange(1000), help="Training tokens of a fit at most.  [default: 1,000,000]")
@calendar_options
@chain_options
def follow(
    work: Path, once: bool, tier: str, device: str | None, max_pages: int | None, tokens: int | None,
    round_blocks: int, opening_blocks: int, chain: ChainOptions,
) -> None:  # fmt: skip
    """Run and decide each round of the competition, for a validator.

    When a round's seals are open and its pages are drawn, the command reads the entries, runs the round and writes what
    stands. `finest validate --contest WORK` sets the weights of mechanism 1 by it. All validators of a subnet need the
    same options. The task server at API_URL names the crawl. You can stop the command at any time; it continues.

    \b
    finest contest follow --wallet.name validator
    finest contest follow --once --tier 1
    """
    settings = load_settings()
    from finest.atomic_files import alone
    from finest.chain.subnet import Chain
    from finest.cli.views.steps import Steps
    from finest.contest.calendar import Calendar
    from finest.contest.follow import Follower, FollowOptions, listed_warcs
    from finest.dataset.hub_client import quiet_client
    from finest.tasks.client import TaskServer
    from finest.tasks.crawls import CommonCrawl
    from finest.validator.quality.assess import named

    quiet_client()
    options = FollowOptions(
        work, settings.cache, int(tier), device, Calendar(round_blocks, opening_blocks), max_pages, tokens
    )
    server = TaskServer(settings.api_url, None, receiver=settings.api_hotkey, say=say)
    lists = CommonCrawl(settings.cc_https, settings.cc_collinfo)
    place = common_crawl(settings)
    with alone(work, "follower"), Chain(chain) as subnet, Steps() as steps:
        follower = Follower(
            options, subnet, lambda specs: named(specs, place) if specs else [],
            lambda: listed_warcs(server, lists, say), steps, say,
        )  # fmt: skip
        while True:
            number = follower.due()
            if number is not None:
                follower.run(number)
            elif once:
                say("No round is due")
            if once:
                return
            if number is None:
                _pause(LOOK_S)


def _open(chain: Chain, calendar: Calendar, sealed: Sealed, folder: Path, state: Path, *, wait: bool) -> None:
    from finest.contest.sealing import blocks_to_opening, open_sealed, waiting
    from finest.contest.submission import read_submission
    from finest.errors import UsageError

    if sealed.opened:
        say(f"{sealed.opened} is open already")
        return
    while blocks := blocks_to_opening(chain, calendar, sealed):
        told = waiting(blocks, chain.view().block_time_s)
        if not wait:
            raise UsageError(f"round {sealed.number} still takes seals. {told}; run the same command again then")
        say(told)
        _pause(min(3600.0, max(1.0, blocks * chain.view().block_time_s)))
    opened = open_sealed(chain, sealed, read_submission(str(folder)), state, say)
    click.echo(opened.opened)


def _pause(seconds: float) -> Any:
    return threading.Event().wait(seconds)
