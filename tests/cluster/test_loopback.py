"""A cluster of one machine is reached from this machine alone, whatever its name means elsewhere."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from finest.cluster import loopback
from finest.cluster.layout import Folder
from finest.errors import ClusterError
from tests.cluster.real_slurm import finest_cluster


def listening(*ports: int) -> set[str]:
    """Addresses at which somebody listens at these ports (proc_net_tcp(5)); everybody's is 0.0.0.0."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, port = local.partition(":")
            if state == "0A" and int(port, 16) in ports:
                found.add(socket.inet_ntoa(bytes.fromhex(address)[::-1]) if table == "tcp" else address)
    return found


def test_every_daemon_listens_on_loopback_alone(slurm_cluster: Folder) -> None:
    """The database's too, which holds who may use the cluster."""
    facts = slurm_cluster.read()
    assert facts is not None
    ports = facts.ports
    assert [listening(port) for port in (ports.slurmctld, ports.slurmd, ports.slurmdbd)] == [{"127.0.0.1"}] * 3


@pytest.mark.slow
def test_a_machine_whose_name_means_another_address(own_folder: Folder, tmp_path: Path) -> None:
    """As on most: its daemons come up all the same, and listen on 127.0.0.1."""
    other = socket.gethostbyname(socket.gethostname()) if loopback.own_address() != "127.0.0.1" else "127.0.1.1"
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{other} {socket.gethostname()}\n")
    up = [sys.executable, "-m", "finest.cli", "cluster", "up", "--yes", "--light", "--folder", str(own_folder.path)]
    elsewhere = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    if subprocess.run([*elsewhere, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    done = subprocess.run([*elsewhere, *up], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    facts = own_folder.read()
    assert facts is not None
    assert listening(facts.ports.slurmctld, facts.ports.slurmd) == {"127.0.0.1"}
    assert finest_cluster("down", "--yes", "--folder", str(own_folder.path)).exit_code == 0


def test_where_it_cannot_be_helped_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container that may mount nothing, the error has the line that mends it."""
    monkeypatch.setattr(loopback, "own_address", lambda: "192.0.2.2")
    monkeypatch.setattr(loopback, "_UNSHARE", ("false",))
    with pytest.raises(ClusterError, match=r"means 192\.0\.2\.2.*`127\.0\.0\.1 .*` first in /etc/hosts"):
        loopback.confined(["slurmctld"], tmp_path / "hosts")
    with pytest.raises(ClusterError, match="means 192"):
        loopback.require_loopback()


def test_the_name_alone_is_changed() -> None:
    """Every other line of /etc/hosts stays, in its order."""
    host = socket.gethostname()
    told = f"127.0.0.1 localhost\n192.0.2.2 {host} alias # {host}\n192.0.2.3 store # of {host}\n"
    kept = loopback._with_own_name(told).splitlines()
    assert kept[0].split()[:2] == ["127.0.0.1", "localhost"] and host in kept[0].split()
    assert kept[1:] == ["127.0.0.1 localhost", f"192.0.2.3 store # of {host}"]
