"""Partitions, nodes and configuration, from what Slurm 22.05 wrote."""

from __future__ import annotations

import time

import pytest

from finest.cluster.layout import Folder
from finest.cluster.nodes import (
    Node,
    Partition,
    config,
    default_partition,
    nodes,
    parse_config,
    parse_node,
    parse_partition,
    parse_time,
    partitions,
)

CONFIG = """Configuration data as of 2025-11-23T05:27:24
AccountingStorageType   = accounting_storage/slurmdbd
DependencyParameters    = kill_invalid_depend
JobAcctGatherParams     = (null)
MaxArraySize            = 10001
SelectType              = select/cons_tres
SelectTypeParameters    = CR_CORE_MEMORY
SlurmctldHost[0]        = vm(127.0.0.1)
TaskPlugin              = task/cgroup

Cgroup Support Configuration:
AllowedSwapSpace        = 0.0%
ConstrainRAMSpace       = yes

Slurmctld(primary) at vm is UP
"""


def test_a_partition() -> None:
    """The default one is marked; limits of time are seconds, or none."""
    assert parse_partition(["main", "main*", "up", "30-00:00:00", "1-00:00:00"]) == Partition(
        "main", True, True, 2592000, 86400
    )
    assert parse_partition(["gpu", "gpu", "down", "infinite", "n/a"]) == Partition("gpu", False, False, None, None)


@pytest.mark.parametrize(
    ("told", "seconds"), [("5:00", 300), ("2:30:00", 9000), ("1-00:00:00", 86400), ("infinite", None), ("n/a", None)]
)
def test_times(told: str, seconds: int | None) -> None:
    """Slurm writes days-hours:minutes:seconds, and leaves out what is nought in front."""
    assert parse_time(told) == seconds


def test_nodes_and_what_ails_them() -> None:
    """Marks are no part of the state; a reason may hold anything; `*` is a node that does not respond."""
    assert parse_node(["vm", "main", "idle", "2", "22900", "none"]) == Node("vm", ("main",), "idle", True, 2, 22900, "")
    drained = parse_node(["vm", "main", "drained", "2", "22900", "disk is full | or so"])
    assert (drained.state, drained.reason, drained.is_usable) == ("drained", "disk is full | or so", False)
    longer = parse_node(("vm", "main", "drained", "2", "22900", "disk\nfull\x1b[31m " + "x" * 500))
    assert longer.reason.startswith("disk full\ufffd[31m xx") and len(longer.reason) == 201
    assert not parse_node(["vm", "main", "idle*", "2", "22900", "none"]).is_usable
    assert not parse_node(["vm", "main", "down*", "2", "22900", "Not responding"]).responds
    assert parse_node(["c1", "cpu", "mixed-", "64", "512000+", "none"]).is_usable
    assert parse_node(["cloud-7", "cpu", "idle~", "64", "512000", "none"]).is_usable


def test_a_configuration() -> None:
    """What decides how jobs run and end."""
    found = parse_config(CONFIG)
    assert found.max_array_size == 10001
    assert found.kills_invalid_dependents and found.keeps_accounts
    assert found.shares_nodes and found.counts_memory and found.enforces_memory
    assert found.value("JobAcctGatherParams") == ""
    assert time.strftime("%FT%T", time.localtime(found.as_of_s)) == "2025-11-23T05:27:24"


def test_slurms_own_defaults_are_seen_as_what_they_are() -> None:
    """Whole nodes, no limit of memory, dependents that wait for ever."""
    found = parse_config("SelectType = select/linear\nTaskPlugin = task/none\nDependencyParameters = (null)\n")
    assert not (found.shares_nodes or found.counts_memory or found.enforces_memory or found.kills_invalid_dependents)
    assert found.max_array_size == 1001


def test_memory_that_is_watched_is_enforced() -> None:
    """The other way, for machines without control groups."""
    assert parse_config("JobAcctGatherParams = UsePss,OverMemoryKill\n").enforces_memory


def test_the_real_cluster_is_read(slurm_cluster: Folder) -> None:
    """One node, one partition, a clock that is ours."""
    (partition,), (node,) = partitions(), nodes()
    assert default_partition([partition]) == partition.name and partition.is_up and partition.max_time_s
    assert node.is_usable and node.partitions == (partition.name,) and node.cpus and node.memory_mb
    before = time.time()
    assert before - 2 <= config().as_of_s <= time.time()
