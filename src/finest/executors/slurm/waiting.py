"""Report why no task runs, once per reason."""

from __future__ import annotations

import time
from collections.abc import Callable

from finest.cluster.nodes import nodes
from finest.errors import ClusterUnavailable
from finest.executors.slurm.units import Unit
from finest.executors.slurm.words import is_without_node, waits_for
from finest.formatting import counted

QUIET_S = 5.0
"""A shorter wait is normal for Slurm and is not reported."""


class Waiting:
    """Gets the state of all tasks after each query, and reports when all remaining tasks have been waiting a while."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._reason: str | None = None
        self._since = 0.0
        self._said: str | None = None

    def tell(self, units: list[Unit]) -> None:
        left = [unit for unit in units if not unit.is_over]
        pending = [unit for unit in left if unit.state == "PENDING" and unit.reason != "Dependency"]
        if not pending or len([u for u in left if u.reason != "Dependency"]) > len(pending):
            self._reason = self._said = None
            return
        reason = pending[0].reason
        if reason != self._reason:
            self._reason, self._since = reason, time.monotonic()
        elif reason != self._said and time.monotonic() - self._since >= QUIET_S:
            self._said = reason
            verb = "waits" if len(pending) == 1 else "wait"
            self._say(f"Nothing runs: {counted(len(pending), 'task')} {verb} {_why(reason)}")


def _why(reason: str) -> str:
    if not is_without_node(reason):
        return waits_for(reason)
    try:
        ill = [node for node in nodes() if not node.is_usable]
    except ClusterUnavailable:
        ill = []
    if not ill:
        return "for nodes that are taken or reserved"
    node = ill[0]
    why = f" ({node.reason})" if node.reason else ""
    return (
        f"for nodes: {node.name} is {node.state}{why}; when it is repaired: "
        f"sudo scontrol update nodename={node.name} state=RESUME"
    )
