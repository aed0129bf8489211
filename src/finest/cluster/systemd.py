"""`finest cluster up` and `down` on a machine with systemd: a cluster in /etc/slurm that systemd's units run."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from finest.cluster import munge
from finest.cluster.configuration import (
    MARK,
    configure,
    new_password,
    write_files,
)
from finest.cluster.daemons import POLL_S
from finest.cluster.hardware import this_machine
from finest.cluster.layout import DEFAULT_FOLDER, SYSTEM_CONF, Places
from finest.cluster.loopback import require_loopback
from finest.cluster.parts import holds, let_slurm_in, slurmctld_works, slurmd_works, slurmdbd_works, sql
from finest.cluster.set_up import Agree, Say, cancel_queued, install_missing, prove, require_root
from finest.errors import ClusterError

STARTED = DEFAULT_FOLDER.parent / "units.json"
"""File that lists the units that `up` started; `down` stops only these."""
_SYSTEMCTL_S = 120.0
_WAIT_S = 60.0


def up_with_systemd(*, light: bool, agree: Agree, say: Say) -> list[str]:
    """Install missing packages, write the configuration and start the units that are not running; return these units.

    Raises ClusterError.
    """
    require_root()
    refuse_foreign(SYSTEM_CONF)
    require_loopback()
    install_missing(light=light, agree=agree, say=say)
    _configure(light=light)
    started = []
    for unit, works in _units(light=light).items():
        if _systemctl("is-active", "--quiet", unit).returncode:
            _remember(unit)
            done = _systemctl("enable", "--now", unit)
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
                raise ClusterError(f"{unit}: {said}: {_last_words(unit)}; see: journalctl -u {unit}")
            started.append(unit)
        _wait(unit, works)
        if unit == "mariadb":
            let_slurm_in(None, SYSTEM_CONF.parent)
        say(f"{unit} is up")
    if started:
        prove(Places().logs)
    return started


def down_with_systemd(*, agree: Agree) -> list[str]:
    """Stop the units that `up` started; return them."""
    require_root()
    units = json.loads(STARTED.read_text()) if STARTED.exists() else []
    if "slurmctld" in units and holds(slurmctld_works):
        cancel_queued(agree)
    for unit in reversed(units):
        _systemctl("disable", "--now", unit)
    STARTED.unlink(missing_ok=True)
    return list(reversed(units))


def refuse_foreign(conf: Path) -> None:
    """Raise ClusterError for a slurm.conf that `finest cluster` did not create."""
    if conf.exists() and not conf.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise ClusterError(
            f"{conf} is not of `finest cluster up`, so this machine has its cluster; "
            "check it: finest cluster check; or keep another one in a folder: finest cluster up --folder DIR"
        )


def _configure(*, light: bool) -> None:
    if SYSTEM_CONF.exists():
        return
    places, etc = Places(), SYSTEM_CONF.parent
    for folder, owner in ((etc, "root"), (places.logs, "slurm"), (places.state, "slurm"), (places.spool, "root")):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, owner, owner)
    write_files(configure(this_machine(), places, None if light else new_password()), etc)
    if not light:
        shutil.chown(etc / "slurmdbd.conf", "slurm", "slurm")


def _units(*, light: bool) -> dict[str, Callable[[], bool]]:
    database = {"mariadb": lambda: sql("mariadb-admin", None, "ping").returncode == 0, "slurmdbd": slurmdbd_works}
    slurms = {"slurmctld": slurmctld_works, "slurmd": slurmd_works}
    return {"munge": lambda: munge.complaint(None) is None} | ({} if light else database) | slurms


def _wait(unit: str, works: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds(works):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{unit} does not answer after {_WAIT_S:.0f} s: {_last_words(unit)}; see: journalctl -u {unit}"
            )
        time.sleep(POLL_S)


def _last_words(unit: str) -> str:
    told = subprocess.run(  # noqa: S603
        ["journalctl", "-u", unit, "-n1", "-o", "cat", "--no-pager"],  # noqa: S607
        capture_output=True, text=True, errors="replace", timeout=_SYSTEMCTL_S, check=False,
    )  # fmt: skip
    return told.stdout.strip() or "no output"


def _remember(unit: str) -> None:
    units = json.loads(STARTED.read_text()) if STARTED.exists() else []
    STARTED.parent.mkdir(parents=True, exist_ok=True)
    STARTED.write_text(json.dumps([*units, *([] if unit in units else [unit])]))


def _systemctl(*argv: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["systemctl", *argv], capture_output=True, timeout=_SYSTEMCTL_S, check=False)  # noqa: S603, S607
