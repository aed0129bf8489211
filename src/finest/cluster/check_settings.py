"""Check, from `scontrol show config`, that the cluster is configured for fast, safe runs that come to an end."""

from __future__ import annotations

from collections.abc import Callable

from finest.cluster.nodes import ClusterConfig
from finest.findings import Finding, failure, ok, warning

_THEN = "in slurm.conf, then restart slurmctld and slurmd"
_SMALL_ARRAY = 101


def array_limit(config: ClusterConfig) -> Finding:
    """Check that job arrays are allowed and large enough."""
    size = config.max_array_size
    if size < 2:
        return failure("job arrays are disabled (MaxArraySize=0)", f"MaxArraySize=10001 {_THEN}")
    line = f"{size - 1} tasks per array"
    return warning(line, f"MaxArraySize=10001 {_THEN}") if size < _SMALL_ARRAY else ok(line)


def sharing(config: ClusterConfig) -> Finding:
    """Check that jobs get cores instead of whole nodes."""
    if config.shares_nodes:
        return ok("cores are allocated one by one")
    line = f"each job gets a whole node ({config.value('SelectType')}), however few cores it asks for"
    return warning(line, f"SelectType=select/cons_tres, SelectTypeParameters=CR_Core_Memory {_THEN}")


def memory(config: ClusterConfig) -> Finding:
    """Check that Slurm allocates memory and enforces memory limits."""
    if not config.counts_memory:
        line = "memory is not allocated: jobs may together use more than a node has"
        return warning(line, f"SelectTypeParameters=CR_Core_Memory {_THEN}")
    if not config.enforces_memory:
        line = "memory limits are not enforced: one job may use all of it"
        return warning(line, f"TaskPlugin=task/cgroup {_THEN}; ConstrainRAMSpace=yes in cgroup.conf")
    return ok("memory is allocated, and limits are enforced")


def dependents(config: ClusterConfig) -> Finding:
    """Check that Slurm cancels jobs that depend on a failed job."""
    if config.kills_invalid_dependents:
        return ok("jobs that depend on a failed job are cancelled")
    line = "a job that depends on a failed job waits for ever, unless it was submitted with --kill-on-invalid-dep=yes"
    return warning(line, f"DependencyParameters=kill_invalid_depend {_THEN}")


def return_to_service(config: ClusterConfig) -> Finding:
    """Check that a node that was down returns to service automatically."""
    value = config.value("ReturnToService") or "0"
    if value != "0":
        return ok(f"a node that was down comes back by itself (ReturnToService={value})")
    return warning("a node that was down stays out until it is resumed by hand", f"ReturnToService=2 {_THEN}")


LOOKS: tuple[tuple[str, Callable[[ClusterConfig], Finding]], ...] = (
    ("array-limit", array_limit),
    ("sharing", sharing),
    ("memory", memory),
    ("dependents", dependents),
    ("return-to-service", return_to_service),
)
