"""The commands `finest cluster check`, `config`, `up` and `down`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finest.cli.groups import Commands
from finest.cli.shared import say
from finest.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from finest.cluster.layout import Folder
    from finest.findings import Check, Finding

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the whole cluster in this folder, apart from any other Slurm on the machine.",
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Answer yes to every question.")
light_option = click.option("--light", is_flag=True, help="Leave out MariaDB and slurmdbd. `sacct` then has no data.")


@click.group(cls=Commands)
def cluster() -> None:
    """Check, configure, start or stop a Slurm cluster.

    \b
    sudo finest cluster up
    finest cluster check
    """


@cluster.command()
@click.option("--partition", metavar="NAME", help="Partition to check.  [default: the cluster's default]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(partition: str | None, as_json: bool) -> None:
    """Check a Slurm cluster, up to running a job.

    Each failed check names the command that repairs it. Exit status: 0 if no check failed, 13 if one did. Warnings
    and skipped checks do not count as failures.

    \b
    finest cluster check
    finest cluster check --partition cpu
    finest cluster check --json | jq -r '.checks[] | select(.state == "failure") | .mend'
    """
    from finest.cli.views.findings import as_dict, is_failure, summary
    from finest.cluster.check_health import check_health

    findings = check_health(partition) if as_json else check_health(partition, _show)
    click.echo(json.dumps(as_dict(findings), indent=1) if as_json else summary(findings))
    if any(map(is_failure, findings.values())):
        sys.exit(ClusterError.exit_code)


@cluster.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    help="Write the files to this folder, with a new password for the database.",
)  # fmt: skip
@light_option
def config(out: Path | None, light: bool) -> None:
    """Print a Slurm configuration for this machine.

    It consists of slurm.conf, slurmdbd.conf and cgroup.conf, and changes those of Slurm's defaults that cause trouble.

    \b
    finest cluster config
    finest cluster config --out slurm-files && sudo cp slurm-files/* /etc/slurm/
    """
    from finest.cluster.configuration import HIDDEN, configure, new_password, write_files
    from finest.cluster.hardware import this_machine
    from finest.cluster.layout import Places

    password = None if light else new_password() if out else HIDDEN
    made = configure(this_machine(), Places(), password)
    if out is None:
        click.echo("\n".join(f"# ---- {name}\n{text}" for name, text in made.files().items()), nl=False)
        return
    for path in write_files(made, out):
        say(f"wrote {path}")
    if password:
        click.echo(f"Run the SQL at the top of {out}/slurmdbd.conf in MariaDB once.")


@cluster.command()
@light_option
@folder_option
@yes_option
def up(light: bool, folder: Path | None, yes: bool) -> None:
    """Set up and start a Slurm cluster on this machine.

    It starts munge, MariaDB, slurmdbd, slurmctld and slurmd, and installs missing ones from Debian's or Ubuntu's
    packages. Where systemd runs, the cluster is configured in /etc/slurm. Without systemd, and with --folder, the
    whole cluster is kept in one folder, and nothing outside it changes. Run the command again when a part has died.
    It needs root.

    \b
    sudo "$(command -v finest)" cluster up
    sudo "$(command -v finest)" cluster up --light --folder /srv/slurm
    """
    from finest.cluster.hardware import has_systemd

    if folder is None and has_systemd():
        from finest.cluster.systemd import up_with_systemd

        started = up_with_systemd(light=light, agree=_agree(yes=yes), say=say)
        click.echo(
            "The cluster was already up." if not started else "The cluster is up. Check it: finest cluster check"
        )
        return
    from finest.cluster.set_up import up as bring_up

    made = bring_up(_folder(folder), light=light, agree=_agree(yes=yes), say=say)
    say("The cluster is up." if made.started else "The cluster was already up.")
    click.echo(f"export SLURM_CONF={made.conf}")


@cluster.command()
@click.option("--purge", is_flag=True, help="Also delete the cluster's folder with its jobs, accounts and logs.")
@folder_option
@yes_option
def down(purge: bool, folder: Path | None, yes: bool) -> None:
    """Stop the cluster that `finest cluster up` started, and nothing else.

    The command asks first, because the cluster's jobs are cancelled.

    \b
    sudo "$(command -v finest)" cluster down
    sudo "$(command -v finest)" cluster down --purge --folder /srv/slurm
    """
    from finest.cluster.hardware import has_systemd

    if folder is None and has_systemd():
        from finest.cluster.systemd import down_with_systemd

        if purge:
            raise UsageError(
                "--purge is for a cluster in a folder; remove the system's with: sudo apt-get purge slurmctld slurmd"
            )
        stopped = down_with_systemd(agree=_agree(yes=yes))
    else:
        from finest.cluster.set_up import down as bring_down

        stopped = bring_down(_folder(folder), purge=purge, agree=_agree(yes=yes), say=say)
    click.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def _show(check: Check[Any], finding: Finding) -> None:
    from finest.findings import State

    colour = {State.OK: "green", State.WARNING: "yellow", State.FAILURE: "red"}.get(finding.state)
    word = "FAILURE" if finding.state is State.FAILURE else finding.state.value
    click.echo(f"{click.style(f'{word:8}', fg=colour)}{check.name:18}{finding.line}")
    if finding.mend:
        click.echo(f"{'':26}-> {finding.mend}")


def _folder(folder: Path | None) -> Folder:
    from finest.cluster.layout import DEFAULT_FOLDER, Folder

    return Folder(folder.absolute() if folder else DEFAULT_FOLDER)


def _agree(*, yes: bool) -> Callable[[str], bool]:
    def ask(question: str) -> bool:
        if not yes and not sys.stdin.isatty():
            raise UsageError(f"{question} No terminal to ask on; confirm with --yes")
        return yes or click.confirm(question, err=True)

    return ask
