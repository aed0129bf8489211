"""Fit a run's request to the resources that the Slurm cluster can allocate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from finest.cluster.nodes import Node, Partition, config, default_partition, nodes, partitions
from finest.errors import ClusterError, UsageError
from finest.executors.request import MEMORY_PER_CPU_GB, Allotment

_OURS = frozenset(
    {"array", "chdir", "comment", "dependency", "error", "export", "job-name", "kill-on-invalid-dep", "nodes",
     "no-requeue", "ntasks", "open-mode", "output", "parsable", "requeue", "test-only", "wait", "wrap"}
)  # fmt: skip
_FLAGS = {
    "partition": "--partition", "time": "--time", "qos": "--qos", "cpus-per-task": "--cpus-per-task",
    "mem-per-cpu": "--mem-per-cpu",
}  # fmt: skip
_DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+)(?::(\d+))?)?", re.ASCII)
_HOURS = re.compile(r"(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)


class NodesTooSmall(ClusterError):
    """No node has the requested resources; `problem` is the message without its advice."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; request less with --cpus-per-task or --mem-per-cpu")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class SlurmRequest:
    """The user's request; None leaves the value to the cluster."""

    partition: str | None = None
    total_tasks: int | None = None
    cpus_per_task: int = 1
    time: str | None = None
    """Time limit in Slurm's formats: minutes, h:m:s, d-h, d-h:m:s."""
    memory_per_cpu_gb: float = MEMORY_PER_CPU_GB
    qos: str | None = None
    sbatch: tuple[tuple[str, str], ...] = ()
    """Further options of sbatch, as (name without leading dashes, value or an empty string)."""
    dataset_cpus: int | None = None
    """CPUs of each task that makes the dataset; None for `cpus_per_task`."""
    dataset_memory_gb: float | None = None
    """Its memory in all; None for what the run needs."""
    dataset_time: str | None = None
    """Its time limit; None for `time`."""


def sbatch_options(pairs: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Parse the user's `KEY=VALUE` and `KEY` options; raises UsageError for an option that finest sets itself."""
    found = []
    for pair in pairs:
        name, _, value = pair.partition("=")
        name = name.strip().lstrip("-").replace("_", "-")
        if name in _FLAGS:
            raise UsageError(f"--sbatch {name}: use finest's own flag, {_FLAGS[name]}")
        if name in _OURS or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise UsageError(f"--sbatch {pair}: finest sets {name or 'it'} itself")
        found.append((name, value))
    return tuple(found)


def fit(request: SlurmRequest, parts: int) -> Allotment:
    """Return the allocation to submit for so many parts of the work: at most one task each and one array's maximum.

    Without a requested number of tasks, it is as many as the partition's nodes can run in parallel. Raises ClusterError
    for a request that can never run, and if the cluster does not answer.
    """
    partition = _partition(request.partition)
    settings = config()
    memory_mb = round(request.memory_per_cpu_gb * 1024)
    _check_time(request.time, partition)
    members = [node for node in nodes() if partition.name in node.partitions]
    capacity = sum(_tasks_at_once(node, request, memory_mb, counts=settings.counts_memory) for node in members)
    if not capacity:
        raise _too_much(request, partition, members)
    if settings.max_array_size < 2:
        raise ClusterError(
            "this cluster does not allow job arrays (MaxArraySize=0 in slurm.conf), which Slurm runs need"
        )
    return Allotment(
        partition=partition.name,
        tasks=max(1, min(request.total_tasks or capacity, parts, settings.max_array_size - 1)),
        cpus_per_task=request.cpus_per_task, memory_per_cpu_mb=memory_mb, time=request.time, qos=request.qos,
        sbatch=request.sbatch,
    )  # fmt: skip


def fit_dataset(request: SlurmRequest, shards: int, needs_bytes: Callable[[int], int]) -> Allotment:
    """Return the allocation of the tasks that make a dataset of so many shards; raises ClusterError as `fit` does.

    `needs_bytes(cpus)` is the memory that each needs, if the request does not say how much.
    """
    cpus = request.dataset_cpus or request.cpus_per_task
    memory_gb = request.dataset_memory_gb or max(needs_bytes(cpus) / (1 << 30), cpus * request.memory_per_cpu_gb)
    one = replace(
        request, cpus_per_task=cpus, memory_per_cpu_gb=memory_gb / cpus,
        time=request.dataset_time or request.time,
    )  # fmt: skip
    try:
        return fit(one, shards)
    except NodesTooSmall as error:
        raise ClusterError(
            f"the tasks that make the dataset: {error.problem}; request less with --dataset-cpus, --dataset-mem or "
            f"--dedup-memory"
        ) from None


def seconds_of(time: str) -> int:
    """Return a time limit, in any of sbatch's formats, in seconds; raises UsageError for anything else."""
    if match := _DAYS.fullmatch(time.strip()):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if match := _HOURS.fullmatch(time.strip()):
        parts = [int(part) for part in match.groups() if part is not None]
        hours, minutes, seconds = parts if len(parts) == 3 else (0, *parts, 0)[:3]
        return (hours * 60 + minutes) * 60 + seconds
    raise UsageError(f"--time {time}: write minutes (90), hours (1:30:00) or days (1-12:00:00)")


def _partition(name: str | None) -> Partition:
    there = partitions()
    wanted = name or default_partition(there)
    found = next((one for one in there if one.name == wanted), None)
    if found is None:
        named = ", ".join(one.name for one in there) or "none"
        raise ClusterError(f"the cluster has no partition {wanted}; it has: {named}; name one with --partition")
    return found


def _check_time(time: str | None, partition: Partition) -> None:
    if time is not None and partition.max_time_s is not None and seconds_of(time) > partition.max_time_s:
        hours = partition.max_time_s / 3600
        raise ClusterError(
            f"--time {time} is more than partition {partition.name} allows ({hours:g} h): it would never start"
        )


def _tasks_at_once(node: Node, request: SlurmRequest, memory_mb: int, *, counts: bool) -> int:
    by_cpus = node.cpus // request.cpus_per_task
    by_memory = node.memory_mb // (request.cpus_per_task * memory_mb) if counts else by_cpus
    return min(by_cpus, by_memory)


def _too_much(request: SlurmRequest, partition: Partition, members: list[Node]) -> ClusterError:
    if not members:
        return ClusterError(f"partition {partition.name} has no nodes; name another with --partition")
    largest = max(members, key=lambda node: (node.cpus, node.memory_mb))
    return NodesTooSmall(
        f"a task of {request.cpus_per_task} CPUs with {request.memory_per_cpu_gb:.3g} GB each fits on no node of "
        f"partition {partition.name} (the largest: {largest.cpus} CPUs, {largest.memory_mb / 1024:.1f} GB), so it "
        f"would never start"
    )
