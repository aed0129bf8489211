"""What is new on the chain and at the task server goes into the queue.

The chain has each hotkey's last line, read in one piece; the task server also knows those that were replaced while
nobody looked, so that a validator that was down for a day misses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.tasks.models import TaskState
from finest.validator.loop.queue import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from finest.chain.commitments import SkipReason
    from finest.chain.subnet import Chain
    from finest.chain.view import SubnetView
    from finest.tasks.client import TaskServer
    from finest.tasks.models import Task
    from finest.validator.loop.queue import Queue

CATCH_UP_BLOCKS = 2 * 7200
"""Tasks that were finished longer ago are paid no more (standing.PAID_BLOCKS), with a day to judge them in."""
LOT = 50
"""Tasks that are taken in at a time."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has found."""

    lines: int
    """On the chain."""
    skipped: Mapping[SkipReason, int]
    """Records on the chain that are no lines, by reason."""
    new: int
    """Lines that the queue did not know."""


def look(chain: Chain, server: TaskServer, queue: Queue, *, far: bool) -> Look:
    """One look; raises ChainError, and TaskServerError after what the chain has is in the queue.

    `far` looks back as far as it pays, for a validator that has just started; else the first lot of finished tasks with
    nothing new ends the look back.
    """
    found = chain.commitments()
    view = chain.view()
    standing = [
        Seen(one.hotkey, one.commitment.line, neuron.registration_block, one.block, standing=True)
        for one in found
        if (neuron := view.neuron(one.hotkey)) is not None
    ]
    new = queue.add(standing)
    for lot in _lots(server, view):
        added = queue.add(lot)
        new += added
        if not added and not far:
            break
    return Look(len(found), dict(found.skipped), new)


def _lots(server: TaskServer, view: SubnetView) -> Iterator[list[Seen]]:
    """Lines of finished tasks, the newest first, a lot at a time."""
    lot: list[Seen] = []
    for task in server.tasks(TaskState.FINISHED):
        if task.closed_block is None or task.closed_block < view.block - CATCH_UP_BLOCKS:
            break
        one = _seen(task, view)
        if one is not None:
            lot.append(one)
        if len(lot) == LOT:
            yield lot
            lot = []
    yield lot


def _seen(task: Task, view: SubnetView) -> Seen | None:
    neuron = view.neuron(task.hotkey)
    if neuron is None or task.commitment is None or task.closed_block is None:
        return None
    if task.closed_block < neuron.registration_block:
        return None
    return Seen(task.hotkey, task.commitment, neuron.registration_block, task.closed_block, standing=False)
