"""Sampling: which lines a validator judges if there are more than it can judge.

A line is judged with a probability in proportion to its task's WARCs, so that a WARC is as likely to be looked at in a
small task as in a large one. The draw uses the seed of the line, which comes from a block after its commitment: no
miner knows before it commits what will be judged, and no task is judged because of another one. The probability is
stored with the line, since the weights are computed with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finest.validator.loop.weights import PAID_BLOCKS
from finest.validator.seed import Draw

if TYPE_CHECKING:
    from finest.validator.loop.queue import Entry, Queue
    from finest.validator.models import Subject

MIN_SAMPLES = 4
"""Expected number of a hotkey's tasks that are judged a day, however little it does, where half of the capacity is
enough for it. Then 98 % of hotkeys have a verdict each day."""
_SCALE = 1 << 53


def draw(queue: Queue, entry: Entry, subject: Subject, block: int, capacity: float) -> bool:
    """Return whether the line is judged, and record the draw in the queue; a line is drawn once.

    `capacity` is the number of verdicts that the validator can give in a day.
    """
    if entry.share is not None:
        return True
    warcs, sizes = subject.task.warcs, queue.sizes(block - PAID_BLOCKS)
    own, every = sizes.get(entry.hotkey, []), [size for found in sizes.values() for size in found]
    share = share_of(len(warcs), own, every, len(sizes), capacity)
    if is_drawn(subject.seed, share):
        queue.set_share(entry, share, len(warcs))
        return True
    queue.leave_out(entry, share, subject.task.id, warcs, block)
    return False


def share_of(warcs: int, own_warcs: Sequence[int], all_warcs: Sequence[int], hotkeys: int, capacity: float) -> float:
    """Return the probability with which a line of a task of `warcs` WARCs is judged.

    `own_warcs` are the sizes of the tasks that its hotkey committed in the last day, `all_warcs` those of all
    `hotkeys`; both include this one.
    """
    if len(all_warcs) <= capacity:
        return 1.0
    samples = min(MIN_SAMPLES, capacity / 2 / max(hotkeys, 1))
    step = min(step_of(all_warcs, capacity / 2), max(sum(own_warcs), warcs) / samples)
    return min(1.0, warcs / step)


def step_of(sizes: Sequence[int], capacity: float) -> float:
    """Return the WARCs per verdict at which about `capacity` of tasks of these sizes are judged.

    A task at least as large as the step is judged for certain.
    """
    left, ordered = sum(sizes), sorted(sizes, reverse=True)
    for certain, size in enumerate(ordered):
        if capacity <= certain:
            break
        step = left / (capacity - certain)
        if size < step:
            return step
        left -= size
    return float(max(ordered, default=1))


def is_drawn(seed: str, share: float) -> bool:
    """Return whether the line with this seed is judged."""
    return Draw(seed, "judged").below(_SCALE) < share * _SCALE
