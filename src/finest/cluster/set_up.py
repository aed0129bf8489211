"""`finest cluster up` and `down`: create and stop a cluster of this one machine, in a folder."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from finest.cluster import packages
from finest.cluster.commands import TIMEOUT_S, cluster_at, run, slurm
from finest.cluster.configuration import configure, new_password, private_file
from finest.cluster.daemons import POLL_S, stop_steps
from finest.cluster.framed import records
from finest.cluster.hardware import Cgroups, Hardware, this_machine
from finest.cluster.layout import Facts, Folder, Ports
from finest.cluster.loopback import require_loopback
from finest.cluster.parts import Part, holds, make_folders, parts, slurmctld_works, variables
from finest.errors import ClusterError, ClusterUnavailable, UsageError
from finest.formatting import counted

PROBE_S = 30.0
"""Timeout of an empty job on a cluster that has just started; such a job takes 0.2 s."""
_PORTS = range(20_000, 32_000)
"""Range of ports, below those that Linux assigns automatically (32768 and up)."""
_JOB_IDS = range(1_000_000, 60_000_000, 10_000)
"""Possible first job ids, below Slurm's highest job id, 67,043,328."""
_CANCEL_S = 40.0
"""Longest wait for cancelled jobs: more than the 30 s (KillWait) between Slurm's SIGTERM and SIGKILL."""

Say = Callable[[str], None]
Agree = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Up:
    """A running cluster."""

    conf: Path
    started: tuple[str, ...]
    """The daemons that this call started."""


def up(folder: Folder, *, light: bool, agree: Agree, say: Say) -> Up:
    """Install missing packages, start the daemons that are not running, and run a test job.

    `agree` is called for consent before the installation. Raises ClusterError, UsageError.
    """
    require_root()
    require_loopback()
    install_missing(light=light, agree=agree, say=say)
    make_folders(folder, light=light)
    with _alone(folder):
        facts = _decide(folder, light=light)
        _write_configuration(folder, facts)
        with cluster_at(folder.conf):
            started = tuple(part.daemon.name for part in parts(folder, light=light) if _bring_up(folder, part, say))
            if started:
                prove(folder.logs)
    return Up(folder.conf, started)


def down(folder: Folder, *, purge: bool, agree: Agree, say: Say) -> list[str]:
    """Cancel the cluster's jobs and stop its daemons; with `purge`, delete its folder. Return the stopped daemons.

    `agree` is called for consent before jobs are cancelled.
    """
    require_root()
    facts = folder.read()
    if facts is None:
        if purge and folder.path.exists() and any(folder.path.iterdir()):
            raise UsageError(f"{folder.path} was not created by `finest cluster up`, so nothing in it was changed")
        return []
    with _alone(folder):
        all_parts = parts(folder, light=facts.light)
        with cluster_at(folder.conf):
            _cancel_jobs(all_parts, agree)
        stopped = [part.daemon.name for part in reversed(all_parts) if part.daemon.stop(part.stop_s)]
        stop_steps(folder.spool)
    if purge:
        shutil.rmtree(folder.path)
        say(f"deleted {folder.path}")
    return stopped


def require_root() -> None:
    if os.geteuid() != 0:
        raise UsageError(
            'slurmd must be root to start jobs as their users; use: sudo "$(command -v finest)" cluster ...'
        )


def install_missing(*, light: bool, agree: Agree, say: Say) -> None:
    wanted = packages.missing(light=light)
    if not wanted:
        return
    if not agree(f"Install {', '.join(wanted)} with apt-get?"):
        raise ClusterError(f"not installed: {', '.join(wanted)}; sudo apt-get install {' '.join(wanted)}")
    packages.install(wanted, say)


def _decide(folder: Folder, *, light: bool) -> Facts:
    """Return the settings from when the cluster was created; choose them for a new cluster."""
    facts = folder.read()
    if facts is None:
        ports = Ports(*_free_ports(3))
        facts = Facts(light=light, ports=ports, first_job=random.choice(_JOB_IDS))
        folder.write(facts)
    elif facts.light != light:
        had, wanted = ("without", "with") if facts.light else ("with", "without")
        again = f"finest cluster down --purge --folder {folder.path}"
        raise ClusterError(f"the cluster in {folder.path} is one {had} a database; for one {wanted}: {again}")
    return facts


def _write_configuration(folder: Folder, facts: Facts) -> None:
    """Write the configuration unless it exists: after that, the user may edit the files."""
    if folder.conf.exists():
        return
    password = None if facts.light else new_password()
    made = configure(_in_folder(this_machine()), folder.places(facts), password)
    if made.slurmdbd is not None:
        (folder.etc / "slurmdbd.conf").unlink(missing_ok=True)
        private_file(folder.etc / "slurmdbd.conf", made.slurmdbd.encode(), 0o600, "slurm")
    (folder.etc / "cgroup.conf").write_text(made.cgroup)
    (folder.etc / "slurm.conf.new").write_text(made.slurm)
    (folder.etc / "slurm.conf.new").rename(folder.conf)  # last, because it indicates that the other files exist


def _in_folder(hardware: Hardware) -> Hardware:
    """Return the hardware without control groups of version 2, which name Slurm's part by the node: two clusters on
    one machine would collide.
    """
    return replace(hardware, cgroups=Cgroups.NONE) if hardware.cgroups is Cgroups.V2 else hardware


def _bring_up(folder: Folder, part: Part, say: Say) -> bool:
    """Start a daemon unless it is running, and wait until it works; return whether it was started.

    Raises ClusterError.
    """
    began, starts = time.monotonic(), part.daemon.pid is None
    if starts:
        part.prepare()
        part.daemon.start(part.argv, user=part.user, env=variables(folder), folder=part.folder)
    _wait(part)
    if starts:
        part.finish()
        say(f"{part.daemon.name:9} up after {time.monotonic() - began:.1f} s")
    return starts


def _wait(part: Part) -> None:
    deadline = time.monotonic() + part.wait_s
    while not holds(part.works):
        words = part.daemon.last_words() or "no output"
        if part.daemon.pid is None:
            raise ClusterError(f"{part.daemon.name} ended: {words} ({part.daemon.log}); {part.mend}")
        if time.monotonic() > deadline:
            did = f"{part.daemon.name} runs, but does not answer after {part.wait_s:.0f} s"
            raise ClusterError(f"{did}: {words} ({part.daemon.log}); {part.mend}")
        time.sleep(POLL_S)


def prove(logs: Path) -> None:
    """Run a test job, the only proof that slurmd starts jobs; raise ClusterError if it fails."""
    done = run("srun", "-Q", "-t1", "-n1", "true", timeout_s=PROBE_S)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise ClusterError(f"all daemons are up, but a test job fails: {said}; see {logs}/slurmd.log")


def _cancel_jobs(all_parts: list[Part], agree: Agree) -> None:
    """Cancel all queued and running jobs: a stopped cluster starts none, and would leave running jobs unsupervised.

    If the controller does not respond, skip this; `down` kills the job steps after slurmd has ended.
    """
    alive = {part.daemon.name for part in all_parts if part.daemon.pid is not None}
    if "slurmctld" not in alive or not holds(slurmctld_works):
        return  # each query would take 9 s
    with suppress(ClusterUnavailable):  # the controller ended in the meantime
        cancel_queued(agree)
        deadline = time.monotonic() + _CANCEL_S
        while "slurmd" in alive and _queued() and time.monotonic() < deadline:
            time.sleep(POLL_S)


def cancel_queued(agree: Agree) -> None:
    """Cancel every user's jobs in the queue; raise ClusterError if `agree` refuses or Slurm does not respond."""
    jobs = _queued()
    if jobs and not agree(f"{counted(len(jobs), 'job')} in the queue will be cancelled. Continue?"):
        raise ClusterError("nothing was stopped")
    if jobs:
        slurm("scancel", "--quiet", *jobs)


def _queued() -> list[str]:
    return [job for (job,) in records("squeue", fields=("%A",), timeout_s=TIMEOUT_S)]


def _free_ports(count: int) -> list[int]:
    """Return `count` free ports."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            break
    return found


@contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """Hold the lock that prevents other processes from starting or stopping daemons of this folder."""
    with open(folder.run / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
