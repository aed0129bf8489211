"""The command `doctor`: is everything there that a miner needs?"""

from __future__ import annotations

import json
import sys
from copy import copy
from typing import TYPE_CHECKING

import click

from finest.chain.options import chain_options
from finest.cli.mine import mine
from finest.cli.shared import alike, console, work_option
from finest.errors import FinestError
from finest.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from finest.chain.options import ChainOptions

SOME_FAILED = FinestError.exit_code
"""Exit status where a check failed: no error of its own, but of whatever kind it finds."""


@click.command(context_settings={"token_normalize_func": alike})
@chain_options
@click.option("--hf_repo", "repo", metavar="[OWNER/]NAME", help="The dataset repository that will be published to.")
@click.option("--total_tasks", type=click.IntRange(min=1), help="With --cpus_per_task: their product is the workers.")
@click.option("--cpus_per_task", type=click.IntRange(min=1), help="See --total_tasks.  [default: all CPUs]")
@work_option
@click.option(
    "--executor", type=click.Choice(["local", "slurm", "ray"]), default="local", show_default=True,
    help="What the work will run on.",
)  # fmt: skip
@click.option("--recipe", default="fineweb", show_default=True, metavar="NAME|PATH.toml", help="The recipe.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(
    chain: ChainOptions, repo: str | None, total_tasks: int | None, cpus_per_task: int | None, work: Path,
    executor: str, recipe: str, as_json: bool,
) -> None:  # fmt: skip
    """Check everything that a miner needs; each failure comes with what mends it.

    It takes the flags of `finest mine`. Nothing is made, and nothing but questions is sent. Exit status 0 if no check
    failed (warnings and skipped checks are none), 1 if one did.

    \b
    finest doctor
    finest doctor --hf_repo alice/finest --wallet.name alice --wallet.hotkey miner --netuid 63
    finest doctor --json | jq -r '.checks[] | select(.state == "failure") | .mend'
    """
    import requests  # noqa: F401 - first, and not in a check's thread: it silences urllib3's word on SOCKS

    from finest.doctor.checks import checks_for
    from finest.doctor.run import examine
    from finest.doctor.show import Watch, as_dict, is_failure, summary
    from finest.doctor.subject import Subject
    from finest.show_hub import quiet_client

    quiet_client()
    checks = checks_for("miner")
    asked = (total_tasks or 1) * (cpus_per_task or 1) if total_tasks or cpus_per_task else None
    subject = Subject(load_settings(), chain, repo, work, executor, recipe, asked)
    try:
        if as_json:
            findings = examine(checks, subject)
            click.echo(json.dumps(as_dict(findings), indent=1))
        else:
            shown = console()
            with Watch(checks, shown) as watch:
                findings = examine(checks, subject, watch.found)
            shown.print(summary(findings))
    finally:
        subject.close()
    if any(map(is_failure, findings.values())):
        sys.exit(SOME_FAILED)


def _flags_of_no_account() -> list[click.Parameter]:
    """The miner's other flags, taken and left: his own line with `doctor` for `mine` is what a person types."""
    own = {flag for parameter in doctor.params for flag in parameter.opts}
    others = [copy(option) for option in mine.params if isinstance(option, click.Option) and not own & {*option.opts}]
    for option in others:
        option.hidden, option.expose_value = True, False
    return [*others]


doctor.params += _flags_of_no_account()

COMMANDS = (doctor,)
