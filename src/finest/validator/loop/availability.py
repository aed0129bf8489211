"""Looks again at datasets that are paid, for as long as a part of their pay vests.

A dataset that the Hub does not have any more, or has with other files, becomes a fail once two looks an hour apart
agree. So does one whose folder was removed from the newest commit of its repository, or changed in it. What would still
have been paid for it is forfeit, and the task server leases its WARCs again. Once a dataset of a hotkey is gone, all
others of that hotkey are looked at first.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from finest.chain.payload import decode
from finest.dataset.hub import Revision, task_place
from finest.dataset.open import open_dataset
from finest.dataset.task_folders import changed_since
from finest.errors import FinestError, HubNotFound, VerifyError
from finest.formatting import showable
from finest.validator.loop.weights import PAID_BLOCKS, VESTING_DAYS

if TYPE_CHECKING:
    from finest.validator.loop.lines import PaidLine
    from finest.validator.loop.queue import Queue

EVERY_S = 3600.0
"""Time between two rounds, and so the least time between the two looks that make a dataset a fail."""
LOOKS = 32
"""Datasets in one round: a few requests each, so about one request in thirty seconds."""

Look = Callable[[str], "str | None"]
"""Looks at `REPO@REVISION/tasks/ID`; returns why the dataset is gone or None, and raises FinestError if nobody can tell
that."""


def look(place: str) -> str | None:
    """Return why the revision is not the dataset that it was, or None; raises FinestError if the Hub does not say."""
    try:
        with open_dataset(place) as dataset:
            assert isinstance(dataset.place, Revision)  # a line names a repository
            return changed_since(dataset.place)
    except (HubNotFound, VerifyError) as error:
        return str(error)


class Availability:
    """The rounds of looks of one validator. What was seen once is forgotten when the validator restarts."""

    def __init__(self, queue: Queue, say: Callable[[str], None], look: Look = look) -> None:
        self._queue, self._say, self._look = queue, say, look
        self._gone_since_s: dict[int, float] = {}
        """When a line's dataset was first missed, by the line's id."""

    def round(self, block: int, now_s: float | None = None) -> float:
        """Look at some of the datasets whose pay still vests; return the seconds until the next round."""
        now_s = time.monotonic() if now_s is None else now_s
        lines = self._queue.paid_lines(block - VESTING_DAYS * PAID_BLOCKS)
        for line in self._chosen(lines):
            self._look_at(line, now_s)
        return EVERY_S

    def _chosen(self, lines: list[PaidLine]) -> list[PaidLine]:
        """Choose lines: those that were gone before, then those of the same hotkeys, then any."""
        suspects = {line.hotkey for line in lines if line.id in self._gone_since_s}
        random.shuffle(lines)
        lines.sort(key=lambda line: (line.id not in self._gone_since_s, line.hotkey not in suspects))
        return lines[:LOOKS]

    def _look_at(self, line: PaidLine, now_s: float) -> None:
        commitment = decode(line.line)
        assert commitment is not None  # no invalid line is ever added to the queue
        place = task_place(commitment.repo, commitment.revision, line.task_id)
        try:
            why = self._look(place)
        except FinestError:
            return  # the Hub is away: nobody's fault
        if why is None:
            self._gone_since_s.pop(line.id, None)
        elif now_s - self._gone_since_s.setdefault(line.id, now_s) >= EVERY_S:
            self._queue.forfeit(line, f"the dataset is gone: {why}")
            self._say(f"{place} of {line.hotkey} is gone ({showable(why, 200)}); what vests of its pay is forfeit")
