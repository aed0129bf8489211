"""The packages that a cluster needs, and their installation on Debian and Ubuntu."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

from finest.cluster.commands import environment
from finest.errors import ClusterError

_LIGHT = {
    "munge": ("munged", "munge", "unmunge"),
    "slurmctld": ("slurmctld",),
    "slurmd": ("slurmd",),
    "slurm-client": ("sbatch", "srun", "scontrol", "sinfo", "squeue", "scancel"),
}
_DATABASE = {
    "slurmdbd": ("slurmdbd",),
    "mariadb-server": ("mariadbd", "mariadb", "mariadb-admin", "mariadb-install-db"),
}
_UPDATE_S, _INSTALL_S = 300.0, 1200.0
"""Timeouts in seconds, for 270 MB over a slow connection to a slow disk."""


def missing(*, light: bool) -> list[str]:
    """Return Debian's names of the packages whose programs are missing; any installed version of Slurm suffices."""
    path = environment()["PATH"]
    wanted = _LIGHT if light else _LIGHT | _DATABASE
    return [name for name, programs in wanted.items() if not all(shutil.which(one, path=path) for one in programs)]


def install(packages: list[str], say: Callable[[str], None]) -> None:
    """Install Debian or Ubuntu packages without recommended ones. Needs root; raises ClusterError."""
    if shutil.which("apt-get") is None:
        raise ClusterError(
            f"finest can install only Debian's and Ubuntu's packages; install by hand: {', '.join(packages)}"
        )
    say(f"installing {', '.join(packages)}")
    _apt("update", "-q", timeout_s=_UPDATE_S)
    _apt("install", "-qy", "--no-install-recommends", *packages, timeout_s=_INSTALL_S)


def _apt(*argv: str, timeout_s: float) -> None:
    # RUNLEVEL=1: without systemd, packages then do not start their daemons; finest starts its own
    variables = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(  # noqa: S603
            ["apt-get", *argv],  # noqa: S607 - the system's own
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"apt-get {argv[0]} did not end in {timeout_s:.0f} s; run it by hand") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
        raise ClusterError(f"apt-get {' '.join(argv)}: {said[0] if said else f'exit status {done.returncode}'}")
