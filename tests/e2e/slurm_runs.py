"""Runs on a real Slurm as tests look at them, and a cluster whose settings change meanwhile."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

from finest.cluster.commands import cluster_at, slurm
from finest.cluster.daemons import began
from finest.cluster.layout import Folder
from tests.cluster.waiting import wait_for
from tests.e2e.command import finest

ON_SLURM = ("--executor", "slurm", "--mem-per-cpu", 1)
LATER = ("--sbatch", "begin=now+1hour")


def status(out: Path) -> Any:
    return json.loads(finest("status", out, "--json").stdout)


def jobs_in_queue() -> set[str]:
    """Jobs that wait, run or are being completed, which a busy node does for some seconds after they ended."""
    return set(slurm("squeue", "-h", "-o", "%F").split())


def submission(out: Path) -> Any:
    (path,) = out.glob("ledger/slurm/*/submission.json")
    return json.loads(path.read_bytes())


def slices_done(out: Path) -> int:
    return len(list(out.glob("ledger/packs/*/*")))


def handed_in(out: Path) -> Callable[[], bool]:
    return lambda: any("dataset" in json.loads(p.read_bytes())["jobs"] for p in out.glob("ledger/slurm/*/*.json"))


def hear(run: Popen[str], words: str) -> str:
    """What it says, up to the line with these words."""
    assert run.stderr is not None
    said = ""
    while words not in said:
        said += run.stderr.readline()
        assert run.poll() is None, said
    return said


def let_begin(out: Path) -> None:
    """Start the run's slices, which were told to begin in an hour; the dataset follows them."""
    for job in submission(out)["jobs"].values():
        slurm("scontrol", "update", f"jobid={job}", "StartTime=now")


def host() -> str:
    return os.uname().nodename.split(".")[0]


def kill(cluster: Folder, daemon: str, signal_: int = signal.SIGKILL) -> None:
    pid = int((cluster.run / f"{daemon}.process").read_text().split()[0])
    os.kill(pid, signal_)
    wait_for(lambda: not began(pid))


def restart(cluster: Folder) -> None:
    """The controller, as an administrator does: killed, it would forget its youngest jobs."""
    kill(cluster, "slurmctld", signal.SIGTERM)
    finest("cluster", "up", "--yes", "--folder", cluster.path)


def reconfigure(cluster: Folder) -> None:
    """Have the controller read its slurm.conf."""
    with cluster_at(cluster.conf):
        slurm("scontrol", "reconfigure")


@contextmanager
def configured(cluster: Folder, line: str, apply: Callable[[Folder], None]) -> Iterator[None]:
    """Meanwhile slurm.conf says `line` instead of what it says of that key."""
    before = cluster.conf.read_text()
    key = line.partition("=")[0]
    kept = [old for old in before.splitlines() if not old.startswith(f"{key}=")]
    cluster.conf.write_text("\n".join([*kept, line, ""]))
    apply(cluster)
    try:
        yield
    finally:
        cluster.conf.write_text(before)
        apply(cluster)
