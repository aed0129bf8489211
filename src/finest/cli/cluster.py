"""The cluster's commands: cluster check, config, up, down."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finest.cli.shared import say
from finest.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from finest.cluster.layout import Folder
    from finest.findings import Check, Finding

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the whole cluster in this folder, beside whatever else there is.",
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
light_option = click.option("--light", is_flag=True, help="Without MariaDB and slurmdbd: `sacct` knows nothing.")


@click.group()
def cluster() -> None:
    """A Slurm cluster: is it well, how should it be configured, one for this machine.

    \b
    sudo finest cluster up
    finest cluster check
    """


@cluster.command()
@click.option("--partition", metavar="NAME", help="The partition to look at.  [default: the cluster's own]")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(partition: str | None, as_json: bool) -> None:
    """Check a Slurm cluster, down to a job that runs; each failure comes with what mends it.

    Exit status 0 if no check failed (warnings and skipped checks are none), 13 if one did.

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
    help="Write the files to this folder, with a password for the database.",
)  # fmt: skip
@light_option
def config(out: Path | None, light: bool) -> None:
    """Print slurm.conf, slurmdbd.conf and cgroup.conf for this machine, with the traps of Slurm's defaults mended.

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
        click.echo(f"What MariaDB must be told once stands at the top of {out}/slurmdbd.conf.")


@cluster.command()
@light_option
@folder_option
@yes_option
def up(light: bool, folder: Path | None, yes: bool) -> None:
    """Set up and start a Slurm cluster of this one machine: munge, MariaDB, slurmdbd, slurmctld, slurmd.

    What is missing is installed from Debian's or Ubuntu's packages. Where systemd runs, the cluster is the machine's
    own, in /etc/slurm; elsewhere, and with --folder, it lives in one folder and touches nothing outside. Run it again
    whenever something died. Needs root.

    \b
    sudo "$(command -v finest)" cluster up
    sudo "$(command -v finest)" cluster up --light --folder /srv/slurm
    """
    from finest.cluster.hardware import has_systemd

    if folder is None and has_systemd():
        from finest.cluster.systemd import up_with_systemd

        started = up_with_systemd(light=light, agree=_agree(yes=yes), say=say)
        click.echo(
            "The cluster was up already." if not started else "The cluster is up. Check it: finest cluster check"
        )
        return
    from finest.cluster.set_up import up as bring_up

    made = bring_up(_folder(folder), light=light, agree=_agree(yes=yes), say=say)
    say("The cluster is up." if made.started else "The cluster was up already.")
    click.echo(f"export SLURM_CONF={made.conf}")


@cluster.command()
@click.option("--purge", is_flag=True, help="Delete its folder as well: jobs, accounts, logs.")
@folder_option
@yes_option
def down(purge: bool, folder: Path | None, yes: bool) -> None:
    """Stop the cluster that `finest cluster up` started, and nothing else. Its jobs are cancelled; it asks first.

    \b
    sudo "$(command -v finest)" cluster down
    sudo "$(command -v finest)" cluster down --purge --folder /srv/slurm
    """
    from finest.cluster.hardware import has_systemd

    if folder is None and has_systemd():
        from finest.cluster.systemd import down_with_systemd

        if purge:
            raise UsageError(
                "--purge is for a cluster in a folder; the system's own: sudo apt-get purge slurmctld slurmd"
            )
        stopped = down_with_systemd(agree=_agree(yes=yes))
    else:
        from finest.cluster.set_up import down as bring_down

        stopped = bring_down(_folder(folder), purge=purge, agree=_agree(yes=yes), say=say)
    click.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing ran")


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
            raise UsageError(f"{question} There is nobody to ask; say --yes")
        return yes or click.confirm(question, err=True)

    return ask


COMMANDS = (cluster,)
"""In the order in which a person meets them."""
