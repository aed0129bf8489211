"""What this machine has, as Slurm counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.cluster.hardware import Cgroups, find_cgroups, parse_hardware, this_machine
from finest.errors import ClusterError

SLURMD = (
    "NodeName=node7 CPUs=128 Boards=1 SocketsPerBoard=2 CoresPerSocket=32 ThreadsPerCore=2 RealMemory=515000\n"
    "UpTime=3-04:05:06\n"
)


def test_what_slurmd_says() -> None:
    """Threads, cores and sockets as Slurm wants them back."""
    found = parse_hardware(SLURMD)
    assert (found.host, found.cpus, found.memory_mb) == ("node7", 128, 515000)
    assert (found.sockets, found.cores_per_socket, found.threads_per_core) == (2, 32, 2)


def test_a_container_has_less_than_its_host() -> None:
    """`slurmd -C` tells the host's memory; jobs would be killed for what the container does not have."""
    assert parse_hardware(SLURMD, container_mb=16000).memory_mb == 16000
    assert parse_hardware(SLURMD, container_mb=1 << 40).memory_mb == 515000


def test_words_that_are_no_description_are_quoted() -> None:
    """A slurmd that fails says why."""
    with pytest.raises(ClusterError, match="hwloc"):
        parse_hardware("slurmd: fatal: hwloc broke")


def test_control_groups_that_cannot_be_written_are_none(tmp_path: Path) -> None:
    """Version 1 needs all three controllers; nothing is nothing."""
    assert find_cgroups(tmp_path) is Cgroups.NONE
    for name in ("freezer", "memory", "cpuset"):
        (tmp_path / name).mkdir()
    assert find_cgroups(tmp_path) is Cgroups.V1


def test_this_machine_is_described() -> None:
    """With Slurm or without."""
    found = this_machine()
    assert found.host and found.cpus >= 1 and found.memory_mb > 0
