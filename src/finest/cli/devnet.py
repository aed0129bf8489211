"""The devnet's commands: devnet up, status, down, env, wallet."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import say
from finest.errors import DevnetError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.devnet.devnet import Devnet, ServiceStatus

SOME_DOWN = 1
"""Exit status of `up` and `status` where a service is not up."""

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where it lives; one folder, one devnet.  [default: devnet/default in the cache folder]",
)


@click.group()
def devnet() -> None:
    """The outside world on this machine: S3 bucket, Common Crawl's files, Hugging Face Hub, Bittensor chain.

    They listen on loopback alone and speak their real protocols, so every program works with them unchanged: no
    account, no coin, no network.

    \b
    finest devnet up
    eval "$(finest devnet env)"
    finest refine s3://commoncrawl/ --out try
    finest devnet down
    """


@devnet.command()
@folder_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def up(folder: Path | None, as_json: bool) -> None:
    """Start what does not run, and say where it listens.

    The services outlive this terminal, until `finest devnet down`. Run it again when one has died: the others stay, and
    nothing that they hold is lost. What cannot run is named; the others run without it (exit status 1).

    \b
    finest devnet up
    finest devnet up --folder /tmp/other-devnet
    """
    made = _devnet(folder)
    was_up = made.exists and all(one.up for one in made.status())
    found = made.up(say)
    if as_json:
        _print_json(made, found)
    else:
        how = "is up in part" if not all(one.up for one in found) else "was up already" if was_up else "is up"
        click.echo(f"The devnet in {made.folder} {how}:\n")
        _print_services(found)
        click.echo(_how_to_use(made, folder))
    _exit(found)


@devnet.command()
@folder_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(folder: Path | None, as_json: bool) -> None:
    """Show each service: up or down, address, process. Exit status 1 if one is down.

    \b
    finest devnet status
    """
    made = _devnet(folder)
    found = made.status()
    if as_json:
        _print_json(made, found)
    else:
        _print_services(found)
    _exit(found)


@devnet.command()
@folder_option
@click.option("--delete", is_flag=True, help="Throw away what it holds as well: objects, repositories, chain, secrets.")
def down(folder: Path | None, delete: bool) -> None:
    """Stop all services. What they hold stays, and `finest devnet up` goes on with it.

    \b
    finest devnet down
    finest devnet down --delete
    """
    made = _devnet(folder)
    stopped = made.remove() if delete else made.down()
    click.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing ran")


@devnet.command()
@folder_option
@click.option("--shell", type=click.Choice(["sh", "fish"]), default="sh", show_default=True, help="Whose syntax.")
@click.option("--json", "as_json", is_flag=True, help="For programs; null is for what is to be unset.")
@click.option("--no-s3", "no_s3", is_flag=True, help="No AWS credentials: Common Crawl's files are read over HTTP.")
def env(folder: Path | None, shell: str, as_json: bool, no_s3: bool) -> None:
    """Print the environment that makes any program use the devnet. It holds the devnet's secrets.

    \b
    eval "$(finest devnet env)"
    finest devnet env --shell fish | source
    """
    from finest.devnet.environment import as_json as json_of
    from finest.devnet.environment import as_shell

    made = _devnet(folder)
    values = made.environment(s3=not no_s3)
    down = [one.name for one in made.status() if not one.up]
    if down:
        say(f"finest: not up: {', '.join(down)}; see `finest devnet status`")
    click.echo(json_of(values) if as_json else as_shell(values, shell))


@devnet.command()
@click.argument("name")
@click.option("--hotkey", default="default", show_default=True, help="The hotkey's name.")
@click.option("--validator", is_flag=True, help="With stake and a validator permit.")
@folder_option
def wallet(name: str, hotkey: str, validator: bool, folder: Path | None) -> None:
    """Make a wallet with TAO and a seat on the devnet's subnet, and print the flags that name it.

    It has no password and lies in the devnet's folder. Made again it stays the same.

    \b
    finest devnet wallet alice
    finest mine $(finest devnet wallet alice) --hf_repo web
    """
    from finest.devnet.wallets import make_wallet

    made = _devnet(folder)
    if not any(one.name == "chain" and one.up for one in made.status()):
        raise DevnetError(f"the chain of {made.folder} is not up; start it: finest devnet up")
    found = make_wallet(made.chain, made.folder / "wallets", name, hotkey, validator=validator)
    say(f"hotkey {found.hotkey_ss58} has seat {found.uid}")
    click.echo(shlex.join(found.flags))


def _devnet(folder: Path | None) -> Devnet:
    from finest.devnet.devnet import Devnet

    cache = load_settings().cache
    return Devnet(folder or cache / "devnet" / "default", cache=cache)


def _print_services(found: list[ServiceStatus]) -> None:
    from finest.devnet.state import ABOUT

    for one in found:
        about = ABOUT[one.name] if one.up else one.problem
        process = f"process {one.pid}" if one.pid else "-"
        click.echo(f"  {one.name:7} {'up' if one.up else 'DOWN':5} {one.address:23} {process:16} {about}")


def _print_json(made: Devnet, found: list[ServiceStatus]) -> None:
    services = {one.name: {k: v for k, v in asdict(one).items() if k != "name"} for one in found}
    click.echo(json.dumps({"folder": str(made.folder), "services": services}, indent=1))


def _how_to_use(made: Devnet, folder: Path | None) -> str:
    from finest.devnet.crawl import warc_key

    named = f" --folder {made.folder}" if folder else ""
    lines = (
        f'eval "$(finest devnet env{named})"',
        f"finest refine {warc_key(0)} --out try",
        f"finest devnet down{named}",
    )
    return "\nUse it:\n" + "".join(f"\n  {line}" for line in lines)


def _exit(found: list[ServiceStatus]) -> None:
    if not all(one.up for one in found):
        sys.exit(SOME_DOWN)


COMMANDS = (devnet,)
"""In the order in which a person meets them."""
