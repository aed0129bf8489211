"""A cluster of one machine is reached from this machine alone."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from finest.cluster import loopback
from finest.cluster.layout import Folder
from finest.errors import ClusterError


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


@pytest.mark.parametrize("address", ["127.0.1.1", "192.0.2.2", None])
def test_a_machine_whose_name_means_another_address(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed or started, and the error has the command that mends it."""
    monkeypatch.setattr(loopback, "own_address", lambda: address)
    with pytest.raises(ClusterError, match=r"sudo sed -i '1i 127\.0\.0\.1 .*' /etc/hosts"):
        loopback.require_loopback()


def test_a_name_that_means_loopback() -> None:
    """Here, where the tests' cluster runs."""
    if loopback.own_address() != "127.0.0.1":
        pytest.skip("this machine's name does not mean 127.0.0.1")
    loopback.require_loopback()
