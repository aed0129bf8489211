"""The commands `finest devnet up`, `status`, `down`, `env` and `wallet`."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.groups import Commands
from finest.cli.shared import say
from finest.errors import DevnetError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.devnet.devnet import Devnet, ServiceStatus

SOME_DOWN = 1
"""Exit status of `up` and `status` if a service is down."""

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the devnet.  [default: devnet/default in the cache folder]",
)


@click.group(cls=Commands)
def devnet() -> None:
    """Run a Hub, a chain and an S3 bucket on this machine.

    The devnet serves the Hugging Face Hub's API, a Bittensor chain, an S3 bucket and Common Crawl's files. It listens
    on loopback only and speaks the real protocols, so unmodified programs work with it, without an account, without
    coins and without a network.

    \b
    finest devnet up
    eval "$(finest devnet env)"
    finest refine s3://commoncrawl/ --out try
    finest devnet down
    """


@devnet.command()
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def up(folder: Path | None, as_json: bool) -> None:
    """Start the devnet's services and print their addresses.

    The services keep running after this terminal closes, until `finest devnet down`. If one has died, run the command
    again: it starts that one, and no service loses its data. If a service cannot start, the command says why, starts
    the others and exits with status 1.

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
        how = "is partly up" if not all(one.up for one in found) else "was already up" if was_up else "is up"
        click.echo(f"The devnet in {made.folder} {how}:\n")
        _print_services(found)
        click.echo(_how_to_use(made, folder))
    _exit(found)


@devnet.command()
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(folder: Path | None, as_json: bool) -> None:
    """Show whether each service is up, its address and its process.

    The exit status is 1 if a service is down.

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
@click.option("--delete", is_flag=True, help="Also delete the devnet's data: objects, repositories, chain, secrets.")
def down(folder: Path | None, delete: bool) -> None:
    """Stop all services of the devnet.

    Their data is kept, and `finest devnet up` continues with it.

    \b
    finest devnet down
    finest devnet down --delete
    """
    made = _devnet(folder)
    stopped = made.remove() if delete else made.down()
    click.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@devnet.command()
@folder_option
@click.option(
    "--shell", type=click.Choice(["sh", "fish"]), default="sh", show_default=True, help="Shell whose syntax is printed."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; a variable that must be unset is null.")
@click.option(
    "--no-s3",
    "no_s3",
    is_flag=True,
    help="Leave out the AWS credentials, so that Common Crawl's files are read over HTTP.",
)
def env(folder: Path | None, shell: str, as_json: bool, no_s3: bool) -> None:
    """Print the environment variables that make programs use the devnet.

    The output contains the devnet's secrets.

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
@click.option("--hotkey", default="default", show_default=True, help="Name of the hotkey.")
@click.option("--validator", is_flag=True, help="Give the hotkey stake and a validator permit.")
@folder_option
def wallet(name: str, hotkey: str, validator: bool, folder: Path | None) -> None:
    """Create a wallet with TAO and a seat on the devnet's subnet.

    It prints the flags that select the wallet. The wallet has no password and is kept in the devnet's folder. If it
    exists already, it is left as it is.

    \b
    finest devnet wallet alice
    finest mine $(finest devnet wallet alice) --hf-repo web
    """
    from finest.devnet.wallets import make_wallet

    made = _devnet(folder)
    if not any(one.name == "chain" and one.up for one in made.status()):
        raise DevnetError(f"the chain of {made.folder} is not up; start it: finest devnet up")
    found = make_wallet(made.chain, made.folder / "wallets", name, hotkey, validator=validator)
    say(f"hotkey {found.hotkey_ss58} is registered as uid {found.uid}")
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
