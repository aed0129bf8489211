"""A real Slurm of two nodes on this machine, for tests that lose one: two slurmd under different names and ports."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from finest.cluster.daemons import Daemon, stop_steps
from finest.cluster.layout import Folder
from finest.cluster.parts import parts, variables
from finest.cluster.set_up import _free_ports
from tests.cluster.real_slurm import finest_cluster
from tests.cluster.waiting import nodes_ready, wait_for

NODES = ("n1", "n2")
SILENT_S = 5
"""Seconds after which the controller gives up a node that does not answer."""


@dataclass
class TwoNodes:
    """The cluster's folder and the daemons of its nodes."""

    folder: Folder
    slurmds: dict[str, Daemon]

    def lose(self, node: str) -> None:
        """Kill everything that runs on a node at once, as a power cut does."""
        pid = self.slurmds[node].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        stop_steps(self.folder.spool / node)


@pytest.fixture
def two_nodes(own_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:
    """The cluster, up; SLURM_CONF names it."""
    made = finest_cluster("up", "--light", "--yes", "--folder", str(own_folder.path))
    assert made.exit_code == 0, made.output
    monkeypatch.setenv("SLURM_CONF", str(own_folder.conf))
    *_, controller, slurmd = parts(own_folder, light=True)
    for part in (slurmd, controller):
        part.daemon.stop(part.stop_s)
    own_folder.conf.write_text(_of_two(own_folder.conf.read_text()))
    (own_folder.etc / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    for state in (own_folder.path / "state").glob("*_state*"):
        state.unlink()
    environment = variables(own_folder)
    controller.daemon.start(controller.argv, env=environment, folder=controller.folder)
    wait_for(controller.works)
    slurmds = {name: Daemon(f"slurmd-{name}", own_folder.run, own_folder.logs) for name in NODES}
    for name, daemon in slurmds.items():
        spool = own_folder.spool / name
        spool.mkdir()
        daemon.start(("slurmd", "-D", "-N", name, "-f", str(own_folder.conf)), env=environment, folder=spool)
    wait_for(lambda: nodes_ready(len(NODES)))
    yield TwoNodes(own_folder, slurmds)
    for name, daemon in slurmds.items():
        daemon.stop(slurmd.stop_s)
        stop_steps(own_folder.spool / name)


def _of_two(conf: str) -> str:
    """Return the configuration with two nodes of one CPU each in the place of this machine."""
    (host, memory) = re.search(r"^NodeName=(\S+) .*RealMemory=(\d+)", conf, re.MULTILINE).groups()  # type: ignore[union-attr]
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory={int(memory) // 2}"
        for name, port in zip(NODES, _free_ports(len(NODES)), strict=True)
    )
    changes = {
        r"^NodeName=.*$": nodes, r"Nodes=\S+": f"Nodes={','.join(NODES)}",
        r"^SlurmdSpoolDir=(.*)$": r"SlurmdSpoolDir=\1/%n", r"^(SlurmdPidFile|SlurmdLogFile)=(.*)$": r"\1=\2.%n",
        r"^ProctrackType=.*$": "ProctrackType=proctrack/linuxproc", r"^TaskPlugin=.*$": "TaskPlugin=task/none",
        r"^SlurmdTimeout=.*$": f"SlurmdTimeout={SILENT_S}", r"^SlurmdPort=.*\n": "",
    }  # fmt: skip
    for pattern, line in changes.items():
        conf = re.sub(pattern, line, conf, flags=re.MULTILINE)
    return conf + "SlurmdParameters=config_overrides\n"
