"""Explain Slurm's states and reasons in plain words."""

from __future__ import annotations

import signal

FORGOTTEN = "FORGOTTEN"
"""Not a Slurm state: the queue has dropped the task, and no accounting record says how it ended."""
COMPLETED = "COMPLETED"
_ENDED = {
    COMPLETED: "ended well",
    "FAILED": "failed",
    "TIMEOUT": "ran into its time limit; request more time with --time",
    "OUT_OF_MEMORY": "used more memory than it had requested; request more with --mem-per-cpu",
    "CANCELLED": "was cancelled",
    "NODE_FAIL": "was lost with its node",
    "BOOT_FAIL": "was lost: its node did not start",
    "DEADLINE": "was stopped at its deadline",
    "PREEMPTED": "was preempted by another job",
    "REVOKED": "was revoked",
    FORGOTTEN: "ended, and Slurm no longer knows how",
}
"""Every final state of a task (man sacct, JOB STATE CODES), and FORGOTTEN."""
_NEVER = {
    "DependencyNeverSatisfied": "a job that it depends on has failed",
    "PartitionConfig": "no node of its partition has the resources that it requests",
    "BadConstraints": "no node has the resources that it requests",
    "PartitionNodeLimit": "it requests more nodes than its partition allows",
    "PartitionTimeLimit": "it requests more time than its partition allows",
    "AccountNotAllowed": "its account may not use this partition",
    "QOSNotAllowed": "its QOS is not allowed here",
    "InvalidAccount": "its account does not exist",
    "InvalidQOS": "its QOS does not exist",
    "launch failed requeued held": "its node could not start it",
}
"""Reasons of a pending job that never resolve by themselves (man squeue, JOB REASON CODES)."""
_WAITING = {
    "Resources": "for free CPUs and memory",
    "Priority": "behind other jobs",
    "Dependency": "for the slices",
    "JobArrayTaskLimit": "for tasks of its own array",
    "BeginTime": "for its start time",
    "PartitionDown": "for its partition, which is closed",
    "PartitionInactive": "for its partition, which is closed",
    "JobHeldUser": "because its user holds it (release it with: scontrol release JOB)",
    "JobHeldAdmin": "because an administrator holds it",
}


def is_ended(state: str) -> bool:
    return state in _ENDED


def never_starts(state: str, reason: str) -> str | None:
    """Return why a task can never start; None if it may start."""
    return _NEVER.get(reason) if state == "PENDING" else None


def waits_for(reason: str) -> str:
    """Describe what a pending task waits for."""
    return _WAITING.get(reason, f"({reason})" if reason else "for Slurm")


def is_without_node(reason: str) -> bool:
    """Return whether the task waits for nodes that are drained, down or reserved."""
    return reason.startswith(("Nodes required", "ReqNodeNotAvail", "Nodes_required"))


def ending(state: str, exit_code: int | None, signal_number: int | None) -> str:
    """Describe an ending: `was killed by SIGKILL`, `failed with exit code 3`, `ran into its time limit`, ..."""
    if state == "FAILED" and signal_number:
        return f"was killed by {_signal(signal_number)}"
    if state == "FAILED" and exit_code and exit_code > 128:
        return f"was killed by {_signal(exit_code - 128)}"  # the shells' convention
    if state == "FAILED" and exit_code:
        return f"failed with exit code {exit_code}"
    return _ENDED[state]


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
