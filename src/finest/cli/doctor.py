"""The command `doctor`: is everything there that a miner, or a validator, needs?"""

from __future__ import annotations

import json
import sys
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.chain.options import chain_options
from finest.cli.mine import mine
from finest.cli.shared import alike, console
from finest.cli.validate import validate
from finest.errors import FinestError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.chain.options import ChainOptions
    from finest.doctor.subject import Role

SOME_FAILED = FinestError.exit_code
"""Exit status where a check failed: no error of its own, but of whatever kind it finds."""


WORK: dict[Role, Path] = {"miner": Path("finest-work"), "validator": Path("finest-validator")}
"""The defaults of `finest mine` and `finest validate`; a test holds them together."""


@click.command(context_settings={"token_normalize_func": alike})
@click.option("--validator", "role", flag_value="validator", type=click.Choice(["miner", "validator"]), default="miner",
              help="Check what a validator needs, with the flags of `finest validate`.")  # fmt: skip
@click.option("--installation", is_flag=True, help="Check the installation alone: it needs no network and no account.")
@chain_options
@click.option("--hf_repo", "repo", metavar="[OWNER/]NAME", help="The dataset repository that will be published to.")
@click.option("--total_tasks", type=click.IntRange(min=1), help="With --cpus_per_task: their product is the workers.")
@click.option("--cpus_per_task", type=click.IntRange(min=1), help="See --total_tasks.  [default: all CPUs]")
@click.option("--work", type=click.Path(path_type=Path),
              help=f"The work folder.  [default: {WORK['miner']}, of a validator {WORK['validator']}]")  # fmt: skip
@click.option(
    "--executor", type=click.Choice(["local", "slurm", "ray"]), default="local", show_default=True,
    help="What the work will run on.",
)  # fmt: skip
@click.option("--recipe", default="fineweb", show_default=True, metavar="NAME|PATH.toml", help="The recipe.")
@click.option("--database", metavar="URL", envvar="VALIDATOR_DATABASE_URL", help="A validator's queue.")
@click.option("--parallel", type=click.IntRange(1, 64), help="A validator's verdicts at a time.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(
    role: Role, installation: bool, chain: ChainOptions, repo: str | None, total_tasks: int | None,
    cpus_per_task: int | None, work: Path | None, executor: str, recipe: str, database: str | None,
    parallel: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Check everything that a miner needs, or a validator; each failure comes with what mends it.

    It takes the flags of `finest mine`, with --validator those of `finest validate`. Nothing is made, and nothing but
    questions is sent. Exit status 0 if no check failed (warnings and skipped checks are none), 1 if one did.

    \b
    finest doctor
    finest doctor --hf_repo alice/finest --wallet.name alice --wallet.hotkey miner --netuid 63
    finest doctor --validator --wallet.name validator --wallet.hotkey default
    finest doctor --json | jq -r '.checks[] | select(.state == "failure") | .mend'
    """
    import requests  # noqa: F401 - first, and not in a check's thread: it silences urllib3's word on SOCKS

    from finest.cli.views.findings import Watch, as_dict, is_failure, summary
    from finest.dataset.hub_client import quiet_client
    from finest.doctor.checks import checks_for
    from finest.doctor.subject import Subject
    from finest.examination import examine

    quiet_client()
    checks = checks_for(role, installation_only=installation)
    asked = (total_tasks or 1) * (cpus_per_task or 1) if total_tasks or cpus_per_task else None
    subject = Subject(
        load_settings(), chain, role, repo, work or WORK[role], executor, recipe,
        parallel if role == "validator" else asked, database,
    )  # fmt: skip
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
    """The other flags of both commands, taken and left: their own line with `doctor` in it is what a person types."""
    known = {flag for parameter in doctor.params for flag in parameter.opts}
    others: list[click.Parameter] = []
    for parameter in (*mine.params, *validate.params):
        if isinstance(parameter, click.Option) and not known & {*parameter.opts}:
            known |= {*parameter.opts}
            option = copy(parameter)
            option.hidden, option.expose_value, option.required, option.envvar = True, False, False, None
            others.append(option)
    return others


doctor.params += _flags_of_no_account()

COMMANDS = (doctor,)
