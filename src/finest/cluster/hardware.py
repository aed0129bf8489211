"""Determine this machine's hardware as Slurm counts it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from finest.cluster.commands import environment
from finest.errors import ClusterError

_ANSWER_S = 20.0
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_V1_CONTROLLERS = ("freezer", "memory", "cpuset")
"""The controllers to which proctrack/cgroup and task/cgroup write."""


class Cgroups(str, Enum):
    """The version of the kernel's control groups with which Slurm can confine jobs."""

    V1 = "v1"
    V2 = "v2"
    """Usable only with systemd, from which Slurm requests its part of the tree."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Hardware:
    host: str
    """Short host name, which Slurm's daemons search in slurm.conf."""
    cpus: int
    memory_mb: int
    """The memory that `slurmd` reports, or a container's limit if that is lower."""
    cgroups: Cgroups
    swap_limits: bool
    """Whether the kernel counts a group's swap, so that a job cannot evade its limit by swapping."""
    sockets: int | None = None
    cores_per_socket: int | None = None
    threads_per_core: int | None = None


def this_machine() -> Hardware:
    """Determine the hardware with `slurmd -C`, or from the operating system if slurmd is not installed."""
    host = socket.gethostname().partition(".")[0]
    cgroups = find_cgroups(Path("/sys/fs/cgroup"))
    told = _slurmd() or _proc(host)
    return parse_hardware(told, cgroups, _container_mb(Path("/sys/fs/cgroup")), swap_limits=_counts_swap(cgroups))


def parse_hardware(
    told: str, cgroups: Cgroups = Cgroups.NONE, container_mb: int | None = None, *, swap_limits: bool = False
) -> Hardware:
    """Parse the output of `slurmd -C`, and apply a container's memory limit, which slurmd does not see.

    Raises ClusterError if the output does not describe a machine.
    """
    found = dict(re.findall(r"(\w+)=(\S+)", told))
    if not {"NodeName", "CPUs", "RealMemory"} <= found.keys():
        raise ClusterError(f"slurmd -C does not describe this machine: {told.strip()[:200] or 'no output'}")
    memory_mb = int(found["RealMemory"])
    return Hardware(
        host=found["NodeName"],
        cpus=int(found["CPUs"]),
        memory_mb=min(memory_mb, container_mb or memory_mb),
        cgroups=cgroups,
        swap_limits=swap_limits,
        sockets=_number(found, "SocketsPerBoard", "Sockets"),
        cores_per_socket=_number(found, "CoresPerSocket"),
        threads_per_core=_number(found, "ThreadsPerCore"),
    )


def find_cgroups(root: Path) -> Cgroups:
    """Return which version of control groups is mounted at `root` and writable."""
    if all(os.access(root / name, os.W_OK) for name in _V1_CONTROLLERS):
        return Cgroups.V1
    if (root / "cgroup.controllers").exists() and os.access(root, os.W_OK) and has_systemd():
        return Cgroups.V2
    return Cgroups.NONE


def has_systemd() -> bool:
    """Whether systemd is this machine's init process, by the test of sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _slurmd() -> str | None:
    variables = environment()
    program = shutil.which("slurmd", path=variables["PATH"])
    if program is None:
        return None
    done = subprocess.run(  # noqa: S603
        [program, "-C"], env=variables, capture_output=True, text=True, timeout=_ANSWER_S, check=False
    )
    return done.stdout


def _proc(host: str) -> str:
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"NodeName={host} CPUs={os.cpu_count() or 1} RealMemory={pages * page_bytes >> 20}"


def _container_mb(root: Path) -> int | None:
    """Return the memory limit of the current container, if any; slurmd reports the host's memory."""
    limits = [(root / name) for name in _LIMITS if (root / name).exists()]
    told = [limit.read_text().strip() for limit in limits]
    return min((int(one) >> 20 for one in told if one.isdigit()), default=None)


def _counts_swap(cgroups: Cgroups) -> bool:
    if cgroups is Cgroups.V1:
        return Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists()
    return cgroups is Cgroups.V2 and any(Path("/sys/fs/cgroup").glob("*/memory.swap.max"))


def _number(found: Mapping[str, str], *names: str) -> int | None:
    return next((int(found[name]) for name in names if name in found), None)
