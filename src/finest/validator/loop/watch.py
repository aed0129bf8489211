"""Find new commitment lines on the chain and at the task server, and add them to the queue.

The chain has each hotkey's last line and is read in one call. The task server also knows the lines that were replaced
in the meantime, so that a validator that was down for a day misses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.tasks.models import TaskState
from finest.validator.loop.lines import ObservedLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from finest.chain.commitments import SkipReason
    from finest.chain.subnet import Chain
    from finest.chain.view import SubnetView
    from finest.tasks.client import TaskServer
    from finest.tasks.models import Task
    from finest.validator.loop.queue import Queue

    FinishedLine = tuple[ObservedLine, Task]

CATCH_UP_BLOCKS = 2 * 7200
"""Age limit of finished tasks. The queue keeps a line for a day (weights.PAID_BLOCKS); the finish may be later."""
LONGEST_LEASE_BLOCKS = 7 * 7200
"""Leases that began earlier are not looked through. A lease ends after four lengths, a day by default; where a server
allows more than a week, the lines of such tasks are found only on the chain."""
BATCH = 50
"""Lines of finished tasks that are added to the queue at a time."""


@dataclass(frozen=True, slots=True)
class NewLines:
    """The result of one look."""

    lines: int
    """Number of lines on the chain."""
    skipped: Mapping[SkipReason, int]
    """Records on the chain that are not lines, by reason."""
    new: int
    """Number of lines that the queue did not know."""


def find_new_lines(chain: Chain, server: TaskServer, queue: Queue, *, full: bool) -> NewLines:
    """Look once for new lines; raises ChainError, or TaskServerError after the chain's lines are in the queue.

    A miner's next line replaces the previous one, so the tasks of every hotkey with a new line are checked too. `full`
    checks the tasks of all hotkeys, as far back as tasks are paid: for a validator that has just started, or whose last
    look failed.
    """
    found = chain.commitments()
    view = chain.view()
    standing = [
        ObservedLine(one.hotkey, one.commitment.line, neuron.registration_block, one.block, standing=True, size=None)
        for one in found
        if (neuron := view.neuron(one.hotkey)) is not None
    ]
    changed = queue.add(standing)
    new = len(changed)
    for lot in _lines_of_all(server, view) if full else _lines_of_hotkeys(server, view, changed):
        new += len(queue.add(line for line, _ in lot))
        queue.remember([task for _, task in lot])
    return NewLines(len(found), dict(found.skipped), new)


def _lines_of_hotkeys(
    server: TaskServer, view: SubnetView, changed: Iterable[ObservedLine]
) -> Iterator[list[FinishedLine]]:
    """Yield the lines of the last tasks that these hotkeys finished."""
    for hotkey in {one.hotkey for one in changed}:
        yield [(one, task) for task in server.tasks_of(hotkey) if (one := _observed(task, view)) is not None]


def _lines_of_all(server: TaskServer, view: SubnetView) -> Iterator[list[FinishedLine]]:
    """Yield the lines of all recently finished tasks in batches, in the order of their leases."""
    lot: list[FinishedLine] = []
    for task in server.tasks(TaskState.FINISHED):
        if task.leased_block < view.block - CATCH_UP_BLOCKS - LONGEST_LEASE_BLOCKS:
            break
        one = _observed(task, view)
        if one is not None:
            lot.append((one, task))
        if len(lot) == BATCH:
            yield lot
            lot = []
    yield lot


def _observed(task: Task, view: SubnetView) -> ObservedLine | None:
    neuron = view.neuron(task.hotkey)
    if neuron is None or task.state is not TaskState.FINISHED or task.commitment is None or task.closed_block is None:
        return None
    if task.closed_block < max(neuron.registration_block, view.block - CATCH_UP_BLOCKS):
        return None
    registered, size = neuron.registration_block, len(task.warcs)
    return ObservedLine(task.hotkey, task.commitment, registered, task.closed_block, standing=False, size=size)
