"""Read the partitions, the nodes and the controller's configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from finest.cluster.commands import TIMEOUT_S, slurm
from finest.cluster.framed import records, unreadable
from finest.errors import ClusterError
from finest.formatting import showable

_PARTITION = ("%R", "%P", "%a", "%l", "%L")
_NODE = ("%N", "%R", "%T", "%c", "%m", "%E")
_MARKS = "*~#!%$@^-+"
"""Suffixes that `sinfo` appends to a node's state; `*` means that it does not respond."""
_USABLE = ("idle", "mixed", "allocated", "completing", "planned")
MOST_REASON = 200
"""Longest reason in characters; an administrator wrote the text, and it is shown within a line of output."""
MAX_ARRAY_SIZE = 1001
"""Slurm's default, which allows indices 0 to 1000."""


@dataclass(frozen=True, slots=True)
class Partition:
    name: str
    is_default: bool
    is_up: bool
    max_time_s: int | None
    """Longest run time of a job; None if there is no limit."""
    default_time_s: int | None
    """Time limit of a job that requests none; None means `max_time_s`."""


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    partitions: tuple[str, ...]
    state: str
    """State without suffixes: idle, mixed, allocated, draining, drained, down, inval, ..."""
    responds: bool
    cpus: int
    memory_mb: int
    reason: str
    """Why it is drained or down, as an administrator or Slurm stated it; otherwise empty."""

    @property
    def is_usable(self) -> bool:
        """Whether jobs start here according to the controller, which notices a dead slurmd only after minutes."""
        return self.responds and self.state in _USABLE


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """The controller's configuration; `told` contains all values of `scontrol show config`."""

    told: Mapping[str, str]
    as_of_s: float
    """The controller's time in whole seconds since 1970."""

    def value(self, key: str) -> str:
        """Return the value of a setting, or an empty string if it is not set."""
        found = self.told.get(key, "")
        return "" if found in {"(null)", "N/A"} else found

    def options(self, key: str) -> frozenset[str]:
        """Return the members of a list in lower case: `CR_Core_Memory,X=1` -> {cr_core_memory, x=1}."""
        return frozenset(part.strip().lower() for part in self.value(key).split(",") if part.strip())

    @property
    def max_array_size(self) -> int:
        """Exclusive upper bound of an array's indices."""
        return int(self.value("MaxArraySize") or MAX_ARRAY_SIZE)

    @property
    def kills_invalid_dependents(self) -> bool:
        return "kill_invalid_depend" in self.options("DependencyParameters")

    @property
    def keeps_accounts(self) -> bool:
        return self.value("AccountingStorageType").endswith("slurmdbd")

    @property
    def shares_nodes(self) -> bool:
        """Whether a job gets only the cores that it requests, not whole nodes."""
        return not self.value("SelectType").endswith("linear")

    @property
    def counts_memory(self) -> bool:
        """Whether Slurm allocates memory like cores, so that jobs together cannot request more than a node has."""
        return any(option.endswith("memory") for option in self.options("SelectTypeParameters"))

    @property
    def enforces_memory(self) -> bool:
        """Whether Slurm stops a job that uses more memory than it requested."""
        by_cgroup = "task/cgroup" in self.options("TaskPlugin") and self.value("ConstrainRAMSpace") == "yes"
        return by_cgroup or "overmemorykill" in self.options("JobAcctGatherParams")


def partitions(*, timeout_s: float = TIMEOUT_S) -> list[Partition]:
    """Return all partitions that this user can see. Raises ClusterError."""
    told = records("sinfo", fields=_PARTITION, timeout_s=timeout_s)
    return [parse_partition(record) for record in dict.fromkeys(told)]


def default_partition(found: Sequence[Partition]) -> str:
    """Return the cluster's default partition, or its only one; raise ClusterError if there is neither."""
    chosen = [one.name for one in found if one.is_default] or [one.name for one in found][:2]
    if len(chosen) != 1:
        named = ", ".join(one.name for one in found) or "none"
        raise ClusterError(f"the cluster has no default partition; name one with --partition: {named}")
    return chosen[0]


def nodes(*, timeout_s: float = TIMEOUT_S) -> list[Node]:
    """Return all nodes with their partitions. Raises ClusterError."""
    told = records("sinfo", "-N", fields=_NODE, timeout_s=timeout_s)
    found: dict[str, Node] = {}
    for node in map(parse_node, told):
        before = found[node.name].partitions if node.name in found else ()
        found[node.name] = replace(node, partitions=(*before, *node.partitions))
    return list(found.values())


def config(*, timeout_s: float = TIMEOUT_S) -> ClusterConfig:
    """Return the controller's configuration and time, and this machine's cgroup.conf. Raises ClusterError."""
    return parse_config(slurm("scontrol", "show", "config", timeout_s=timeout_s))


def parse_partition(record: Sequence[str]) -> Partition:
    """Parse one record of sinfo with the fields of _PARTITION."""
    name, marked, up, max_time, default_time = record
    return Partition(name, marked.endswith("*"), up == "up", parse_time(max_time), parse_time(default_time))


def parse_node(record: Sequence[str]) -> Node:
    """Parse one record of `sinfo -N` with the fields of _NODE; raise ClusterError if it is invalid."""
    try:
        return _node(record)
    except ValueError:
        raise unreadable("sinfo") from None


def _node(record: Sequence[str]) -> Node:
    name, partition, state, cpus, memory, reason = record
    plain = state.rstrip(_MARKS)
    return Node(
        name=name,
        partitions=(partition,),
        state=plain,
        responds="*" not in state[len(plain) :],
        cpus=int(cpus.rstrip("+")),
        memory_mb=int(memory.rstrip("+")),
        reason="" if reason == "none" else showable(" ".join(reason.split()), MOST_REASON),
    )


def parse_config(told: str) -> ClusterConfig:
    """Parse the output of `scontrol show config`."""
    as_of = re.search(r"as of (\S+)", told)
    pairs = (line.partition("=") for line in told.splitlines())
    values = {key.strip(): value.strip() for key, equals, value in pairs if equals}
    # Slurm's clients print local time, so this machine's time zone applies
    return ClusterConfig(values, datetime.fromisoformat(as_of[1]).timestamp() if as_of else 0.0)


def parse_time(told: str) -> int | None:
    """Parse a time such as `1-00:00:00`, `5:00` or `30:00:00` into seconds; None for `infinite` and `n/a`."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", told)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
