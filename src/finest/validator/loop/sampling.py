"""Sampling: which lines are judged if there are more than the validators can judge.

All validators make the same draw. It follows from the line and the hash of a block after its commitment, so no miner
knows before it commits what will be judged, and the validators that were not drawn for a task can adopt its verdict.
A judged task is paid its value divided by the probability with which it was drawn, and a task that was not drawn
is paid nothing (the Horvitz-Thompson estimator). The expected pay is therefore what it would be if everything had been
judged, whatever the probabilities. A miner who knows them, or changes them by what it commits, gains nothing.

The probability is in proportion to the WARCs of the task, so that every WARC is as likely to be looked at, and a large
task that is drawn is paid no more for the draw than a small one. It follows from what was committed in the six hours
and in the day up to the line, which is settled before the block of the draw, and from what a validator is expected to
judge. The lower of both probabilities is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from finest.validator.loop.committee import share_of_busiest
from finest.validator.loop.weights import PAID_BLOCKS
from finest.validator.seed import Draw, make_seed

if TYPE_CHECKING:
    from finest.validator.loop.lines import Entry
    from finest.validator.loop.queue import Queue
    from finest.validator.models import Subject

VERDICTS_A_DAY = 576
"""Verdicts that every validator is expected to give in a day: two minutes each, one at a time, in four fifths of the
day. All use the same number, because their draws must be the same."""
MIN_SAMPLES = 4
"""Expected number of a hotkey's tasks that are judged a day, however little it does, where half of the capacity is
enough for it. Then 98 % of hotkeys have a verdict each day."""
WINDOWS_BLOCKS = (PAID_BLOCKS // 4, PAID_BLOCKS)
"""The draw keeps to the capacity in six hours and in a day. The day alone would let most of what is committed in the
first day of a subnet, or after a day without the task server, be drawn: more than twice of what can be judged, so that
verdicts came later than the pay (weights.SETTLING_BLOCKS)."""
_SCALE = 1 << 53
_HALVINGS = 30
_EVERYBODY = ""
"""Takes the place of the validator's hotkey in the seed of a draw that all validators share."""


def capacity_of(stakes: Mapping[str, float]) -> float:
    """Return the number of tasks that can be drawn in a day so that no validator must judge more than is expected.

    `stakes` are those of all validators. The one with the most stake is drawn most often.
    """
    return VERDICTS_A_DAY / share_of_busiest(stakes)


def draw(queue: Queue, entry: Entry, subject: Subject, block: int, capacity: float) -> bool:
    """Return whether the line is judged, and record the draw in the queue; a line is drawn once.

    `capacity` is the number of tasks that are judged in a day, by `capacity_of`.
    """
    if entry.share is not None:
        return True
    warcs = subject.task.warcs
    share = min(
        share_of(
            len(warcs), entry.hotkey, queue.sizes(entry.block - blocks, entry.block), capacity * blocks / PAID_BLOCKS
        )
        for blocks in WINDOWS_BLOCKS
    )
    if is_drawn(shared_seed(subject), share):
        queue.set_share(entry, share, len(warcs))
        return True
    queue.leave_out(entry, share, subject.task.id, warcs, block)
    return False


def shared_seed(subject: Subject) -> str:
    """Return the seed of the draw that all validators share; a subject without a block has only its own."""
    if subject.beacon is None:
        return subject.seed
    return make_seed(subject.beacon.hash, subject.submission.line or "", _EVERYBODY)


def share_of(warcs: int, hotkey: str, tasks: Mapping[str, Mapping[int, int]], capacity: float) -> float:
    """Return the probability with which a line of a task of `warcs` WARCs of a hotkey is judged.

    `tasks` has by hotkey the number of tasks of each size that were committed in the time in which `capacity` tasks can
    be drawn, this one included.
    """
    number = sum(sum(sizes.values()) for sizes in tasks.values())
    if number <= capacity:
        return 1.0
    samples = min(MIN_SAMPLES, capacity / 2 / len(tasks))
    own = _work(tasks.get(hotkey, {}))
    return min(1.0, warcs * max(_rate(tasks, samples, capacity), samples / max(own, warcs)))


def _rate(tasks: Mapping[str, Mapping[int, int]], samples: float, capacity: float) -> float:
    """Return the probability for each WARC at which `capacity` tasks are drawn, at least `samples` of each hotkey.

    No task is drawn with more than certainty. The expected number grows with the rate, so halving finds it.
    """
    kinds = [
        (size, number, samples / max(1, work))
        for sizes in tasks.values()
        for work in [_work(sizes)]
        for size, number in sizes.items()
    ]
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        drawn = sum(number * min(1.0, size * max(middle, least)) for size, number, least in kinds)
        low, high = (low, middle) if drawn > capacity else (middle, high)
    return low


def _work(sizes: Mapping[int, int]) -> int:
    """Return the WARCs of so many tasks of each size."""
    return sum(size * number for size, number in sizes.items())


def is_drawn(seed: str, share: float) -> bool:
    """Return whether the line with this seed is judged."""
    return Draw(seed, "judged").below(_SCALE) < share * _SCALE
