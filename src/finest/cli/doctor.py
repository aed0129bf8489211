"""The command `finest doctor`: check everything that a miner or a validator needs."""

from __future__ import annotations

import json
import sys
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.chain.options import chain_options
from finest.cli.mine import mine
from finest.cli.shared import console
from finest.cli.validate import validate
from finest.errors import FinestError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.chain.options import ChainOptions
    from finest.doctor.subject import Role

SOME_FAILED = FinestError.exit_code
"""Exit status if a check failed, whatever the kind of failure."""


WORK: dict[Role, Path] = {"miner": Path("finest-work"), "validator": Path("finest-validator")}
"""Default work folders, equal to those of `finest mine` and `finest validate`; a test compares them."""


@click.command()
@click.option("--validator", "role", flag_value="validator", type=click.Choice(["miner", "validator"]), default="miner",
              help="Check what a validator needs; takes the flags of `finest validate`.")  # fmt: skip
@click.option("--installation", is_flag=True, help="Check the installation only, without a network or an account.")
@chain_options
@click.option("--hf-repo", "repo", metavar="[OWNER/]NAME", help="Dataset repository that the miner will publish to.")
@click.option(
    "--total-tasks",
    type=click.IntRange(min=1),
    help="Number of tasks; times --cpus-per-task it is the number of workers.",
)
@click.option(
    "--cpus-per-task", type=click.IntRange(min=1), help="Workers of each task; see --total-tasks.  [default: all CPUs]"
)
@click.option("--work", type=click.Path(path_type=Path),
              help=f"Work folder.  [default: {WORK['miner']}; with --validator {WORK['validator']}]")  # fmt: skip
@click.option(
    "--executor", type=click.Choice(["local", "slurm", "ray"]), default="local", show_default=True,
    help="Engine that will run the workers.",
)  # fmt: skip
@click.option(
    "--recipe", default="fineweb", show_default=True, metavar="NAME|PATH.toml", help="Recipe that the miner will use."
)
@click.option("--database", metavar="URL", envvar="VALIDATOR_DATABASE_URL", help="Database of the validator's queue.")
@click.option(
    "--parallel", type=click.IntRange(1, 64), help="Number of verdicts that the validator will work on at once."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(
    role: Role, installation: bool, chain: ChainOptions, repo: str | None, total_tasks: int | None,
    cpus_per_task: int | None, work: Path | None, executor: str, recipe: str, database: str | None,
    parallel: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Check everything that a miner or a validator needs.

    Each failed check names the command that repairs it. The command takes the flags of `finest mine`, or with
    --validator those of `finest validate`. It changes nothing, here or elsewhere: it only reads. Exit status: 0 if no
    check failed, 1 if one did. Warnings and skipped checks do not count as failures.

    \b
    finest doctor
    finest doctor --hf-repo alice/finest --wallet.name alice --wallet.hotkey miner --netuid 63
    finest doctor --validator --wallet.name validator --wallet.hotkey default
    finest doctor --json | jq -r '.checks[] | select(.state == "failure") | .mend'
    """
    import requests  # noqa: F401 - imported before the checks' threads start: it silences urllib3's warning about SOCKS

    import finest.recipe.judge  # noqa: F401 - a package that is missing or broken is one line, before any check
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


def _ignored_flags() -> list[click.Parameter]:
    """Return the flags of `mine` and `validate` that `doctor` accepts but ignores, so either command line works."""
    known = {flag for parameter in doctor.params for flag in parameter.opts}
    others: list[click.Parameter] = []
    for parameter in (*mine.params, *validate.params):
        if isinstance(parameter, click.Option) and not known & {*parameter.opts}:
            known |= {*parameter.opts}
            option = copy(parameter)
            option.hidden, option.expose_value, option.required, option.envvar = True, False, False, None
            others.append(option)
    return others


doctor.params += _ignored_flags()
