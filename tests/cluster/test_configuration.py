"""The configuration files, on machines of several kinds."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.cluster.configuration import (
    HIDDEN,
    MARK,
    configure,
    memory_for_jobs_mb,
    new_password,
    read_password,
    write_files,
)
from finest.cluster.hardware import Cgroups, Hardware
from finest.cluster.layout import Facts, Folder, Places, Ports
from finest.errors import UsageError
from tests.cluster.real_slurm import finest_cluster

SERVER = Hardware(
    "node7", 128, 515000, Cgroups.V2, swap_limits=True, sockets=2, cores_per_socket=32, threads_per_core=2
)
LAPTOP = Hardware("laptop", 8, 15900, Cgroups.V1, swap_limits=False, sockets=1, cores_per_socket=4, threads_per_core=2)
CONTAINER = Hardware("c0ffee", 2, 2000, Cgroups.NONE, swap_limits=False)
ALL = pytest.mark.parametrize("hardware", [SERVER, LAPTOP, CONTAINER], ids=lambda one: one.host)


def values(text: str) -> dict[str, str]:
    """Keys and values of a configuration file; of NodeName and PartitionName lines those inside, too."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, _, value = line.partition("=")
        found[name] = value
        if name in {"NodeName", "PartitionName"}:
            found |= dict(part.split("=", 1) for part in line.split())
    return found


@ALL
def test_the_traps_of_slurms_defaults_are_mended(hardware: Hardware) -> None:
    """Cores and memory are given out, nodes come back, dead dependents go, jobs end."""
    found = values(configure(hardware, Places(), None).slurm)
    assert found["SelectType"] == "select/cons_tres" and found["SelectTypeParameters"] == "CR_Core_Memory"
    assert found["ReturnToService"] == "2"
    assert found["DependencyParameters"] == "kill_invalid_depend"
    assert found["Default"] == "YES" and "INFINITE" not in found["MaxTime"]
    assert int(found["DefMemPerCPU"]) * hardware.cpus <= int(found["RealMemory"]) < hardware.memory_mb


@ALL
def test_memory_is_enforced_whatever_the_machine_has(hardware: Hardware) -> None:
    """By control groups, or where there are none by a watch that kills."""
    made = configure(hardware, Places(), None)
    if hardware.cgroups is Cgroups.NONE:
        assert values(made.slurm)["JobAcctGatherParams"] == "OverMemoryKill"
        assert values(made.slurm)["ProctrackType"] == "proctrack/linuxproc"
    else:
        assert values(made.slurm)["TaskPlugin"] == "task/cgroup"
        assert values(made.cgroup)["ConstrainRAMSpace"] == "yes"
        assert values(made.cgroup)["CgroupPlugin"] == f"cgroup/{hardware.cgroups.value}"


def test_swap_is_limited_where_the_kernel_counts_it() -> None:
    """Asked for elsewhere, no job would start."""
    assert "ConstrainSwapSpace=yes" in configure(SERVER, Places(), None).cgroup
    assert "ConstrainSwapSpace" not in configure(LAPTOP, Places(), None).cgroup


def test_the_node_is_described_as_far_as_it_is_known() -> None:
    """All of `slurmd -C`; without it, processors alone."""
    assert "CPUs=128 Sockets=2 CoresPerSocket=32 ThreadsPerCore=2 " in configure(SERVER, Places(), None).slurm
    assert "CPUs=2 RealMemory=" in configure(CONTAINER, Places(), None).slurm


@given(st.integers(min_value=1024, max_value=8 << 20))
def test_memory_for_jobs_leaves_some_but_not_much(memory_mb: int) -> None:
    """Never what slurmd reports or more, never less than three quarters of it."""
    found = memory_for_jobs_mb(replace(SERVER, memory_mb=memory_mb))
    assert 3 * memory_mb // 4 <= found < memory_mb


def test_without_a_database_there_is_none_to_ask() -> None:
    """A light cluster has no slurmdbd.conf and names no accounting."""
    made = configure(LAPTOP, Places(), None)
    assert made.slurmdbd is None and set(made.files()) == {"slurm.conf", "cgroup.conf"}
    assert values(made.slurm)["AccountingStorageType"] == "accounting_storage/none"


def test_a_cluster_in_a_folder_names_no_path_outside(tmp_path: Path) -> None:
    """Keys, state, sockets and logs are its own, and so are its ports."""
    folder = Folder(tmp_path)
    made = configure(LAPTOP, folder.places(Facts(light=False, ports=Ports(1, 2, 3), first_job=5)), "secret")
    for text in (made.slurm, made.slurmdbd or ""):
        paths = [value.removeprefix("socket=") for value in values(text).values()]
        assert {path for path in paths if path.startswith("/")} - {"/bin/true"}
        assert all(path.startswith((str(tmp_path), "/bin/true")) for path in paths if path.startswith("/"))
    assert values(made.slurm)["SlurmctldPort"] == "1" and values(made.slurmdbd or "")["DbdPort"] == "3"


def test_passwords_are_drawn() -> None:
    """No two clusters share one."""
    assert new_password() != new_password()


def test_written_files_keep_the_password_to_their_owner(tmp_path: Path) -> None:
    """slurmdbd.conf is 0600, whatever the umask, and slurmdbd takes no other."""
    write_files(configure(SERVER, Places(), "secret"), tmp_path / "out")
    secret = tmp_path / "out" / "slurmdbd.conf"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert read_password(secret) == "secret"
    assert "secret" not in (tmp_path / "out" / "slurm.conf").read_text()


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    """Nobody's slurm.conf is overwritten."""
    (tmp_path / "slurm.conf").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        write_files(configure(SERVER, Places(), "secret"), tmp_path)
    assert (tmp_path / "slurm.conf").read_text() == "mine" and not (tmp_path / "slurmdbd.conf").exists()


def test_what_is_printed_holds_no_password() -> None:
    """`finest cluster config` shows the three files, one of them with its password hidden."""
    told = finest_cluster("config").stdout
    assert told.count(MARK) == 3
    assert f"StoragePass={HIDDEN}" in told
    assert "slurmdbd.conf" not in finest_cluster("config", "--light").stdout


def test_out_writes_a_password(tmp_path: Path) -> None:
    """And tells where it is."""
    told = finest_cluster("config", "--out", str(tmp_path / "made"))
    assert told.exit_code == 0
    assert read_password(tmp_path / "made" / "slurmdbd.conf") != HIDDEN
    assert str(tmp_path / "made" / "slurmdbd.conf") in told.output
