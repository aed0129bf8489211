"""Partitions, nodes, and the controller's configuration."""

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
"""What `sinfo` appends to a node's state; `*` is: it does not respond."""
_USABLE = ("idle", "mixed", "allocated", "completing", "planned")
MOST_REASON = 200
"""Characters of what somebody wrote when they drained a node; it stands in a line of ours."""
MAX_ARRAY_SIZE = 1001
"""Slurm's own default: indices 0 to 1000."""


@dataclass(frozen=True, slots=True)
class Partition:
    name: str
    is_default: bool
    is_up: bool
    max_time_s: int | None
    """The longest that a job may take; None: no limit."""
    default_time_s: int | None
    """What a job gets that asks for none; None: `max_time_s`."""


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    partitions: tuple[str, ...]
    state: str
    """idle, mixed, allocated, draining, drained, down, inval, ..."""
    responds: bool
    cpus: int
    memory_mb: int
    reason: str
    """Why it is drained or down, in the words of whoever did it; empty where it is not."""

    @property
    def is_usable(self) -> bool:
        """Whether jobs start here, as far as the controller knows: a dead slurmd is noticed after minutes."""
        return self.responds and self.state in _USABLE


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What the controller runs with; `told` is all of `scontrol show config`."""

    told: Mapping[str, str]
    as_of_s: float
    """The controller's clock, seconds since 1970, to the second."""

    def value(self, key: str) -> str:
        """What is set, or an empty string."""
        found = self.told.get(key, "")
        return "" if found in {"(null)", "N/A"} else found

    def options(self, key: str) -> frozenset[str]:
        """A list's members, in lower case: `CR_Core_Memory,X=1` -> {cr_core_memory, x=1}."""
        return frozenset(part.strip().lower() for part in self.value(key).split(",") if part.strip())

    @property
    def max_array_size(self) -> int:
        """An array's indices lie below it."""
        return int(self.value("MaxArraySize") or MAX_ARRAY_SIZE)

    @property
    def kills_invalid_dependents(self) -> bool:
        return "kill_invalid_depend" in self.options("DependencyParameters")

    @property
    def keeps_accounts(self) -> bool:
        return self.value("AccountingStorageType").endswith("slurmdbd")

    @property
    def shares_nodes(self) -> bool:
        """Whether a job gets the cores that it asks for, not whole nodes."""
        return not self.value("SelectType").endswith("linear")

    @property
    def counts_memory(self) -> bool:
        """Whether memory is given out like cores, so that jobs cannot take more than there is."""
        return any(option.endswith("memory") for option in self.options("SelectTypeParameters"))

    @property
    def enforces_memory(self) -> bool:
        """Whether a job that takes more memory than it asked for is stopped."""
        by_cgroup = "task/cgroup" in self.options("TaskPlugin") and self.value("ConstrainRAMSpace") == "yes"
        return by_cgroup or "overmemorykill" in self.options("JobAcctGatherParams")


def partitions(*, timeout_s: float = TIMEOUT_S) -> list[Partition]:
    """All partitions that this user sees; raises ClusterError."""
    told = records("sinfo", fields=_PARTITION, timeout_s=timeout_s)
    return [parse_partition(record) for record in dict.fromkeys(told)]


def default_partition(found: Sequence[Partition]) -> str:
    """The default one of a cluster's partitions, or its only one; raises ClusterError where there is neither."""
    chosen = [one.name for one in found if one.is_default] or [one.name for one in found][:2]
    if len(chosen) != 1:
        named = ", ".join(one.name for one in found) or "none"
        raise ClusterError(f"the cluster has no default partition; name one with --partition: {named}")
    return chosen[0]


def nodes(*, timeout_s: float = TIMEOUT_S) -> list[Node]:
    """All nodes, with the partitions that they are in; raises ClusterError."""
    told = records("sinfo", "-N", fields=_NODE, timeout_s=timeout_s)
    found: dict[str, Node] = {}
    for node in map(parse_node, told):
        before = found[node.name].partitions if node.name in found else ()
        found[node.name] = replace(node, partitions=(*before, *node.partitions))
    return list(found.values())


def config(*, timeout_s: float = TIMEOUT_S) -> ClusterConfig:
    """The controller's configuration, its clock, and this machine's cgroup.conf; raises ClusterError."""
    return parse_config(slurm("scontrol", "show", "config", timeout_s=timeout_s))


def parse_partition(record: Sequence[str]) -> Partition:
    """One record of sinfo's, by _PARTITION."""
    name, marked, up, max_time, default_time = record
    return Partition(name, marked.endswith("*"), up == "up", parse_time(max_time), parse_time(default_time))


def parse_node(record: Sequence[str]) -> Node:
    """One record of `sinfo -N`, by _NODE; raises ClusterError."""
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
    """What `scontrol show config` prints."""
    as_of = re.search(r"as of (\S+)", told)
    pairs = (line.partition("=") for line in told.splitlines())
    values = {key.strip(): value.strip() for key, equals, value in pairs if equals}
    # in this machine's time zone: Slurm's clients write local time
    return ClusterConfig(values, datetime.fromisoformat(as_of[1]).timestamp() if as_of else 0.0)


def parse_time(told: str) -> int | None:
    """Seconds of `1-00:00:00`, `5:00`, `30:00:00`; None for `infinite` and `n/a`."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", told)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
