"""What is paid stays available: looked at again for thirty days, and believed gone only when it is gone twice."""

from __future__ import annotations

import pytest

from finest.errors import HubUnavailable
from finest.validator.loop.availability import EVERY_S, LOOKS, Availability
from finest.validator.loop.queue import Queue
from finest.validator.loop.weights import CLAIMED, PAID_BLOCKS, VESTING_DAYS, weights

from .lines import ALICE, BOB, following, line, seen, settled

SEATS = {ALICE: 1, BOB: 1}
BLOCK = 500


class Hub:
    """Datasets that are gone, by revision; or no answer at all."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.away = False
        self.asked: list[str] = []

    def look(self, place: str) -> str | None:
        self.asked.append(place)
        if self.away:
            raise HubUnavailable("the Hub does not answer")
        return "no such revision" if place.partition("@")[2].partition("/")[0] in self.gone else None


@pytest.fixture
def hub() -> Hub:
    return Hub()


def judged(queue: Queue, count: int, hotkey: str = ALICE, first: int = 0) -> None:
    queue.add([seen(hotkey, number) for number in range(first, first + count)])
    for number in range(first, first + count):
        queue.record_verdict(following(queue), settled(task_id=f"t{number}"))


def revision(number: int) -> str:
    return f"{number:040x}"


def test_a_dataset_that_is_deleted_after_its_verdict_is_a_fail(queue: Queue, hub: Hub) -> None:
    """Weights and finished WARCs stayed as they were; now its pay is forfeit and the task server is told of a fail."""
    judged(queue, 2)
    for report in queue.unreported():
        queue.reported(report)
    before = weights(queue.past(0), BLOCK, SEATS)[ALICE]
    looks = Availability(queue, lambda _: None, hub.look)
    assert looks.round(BLOCK, 0.0) == EVERY_S
    hub.gone = {revision(1)}
    looks.round(BLOCK, EVERY_S)
    assert queue.unreported() == []
    looks.round(BLOCK, 2 * EVERY_S)
    (report,) = queue.unreported()
    assert (report.task_id, report.verdict, report.total) == ("t1", "fail", 0.0)
    assert "gone" in report.why
    assert weights(queue.past(0), BLOCK, SEATS)[ALICE] < before / 2


def test_an_hour_of_the_hubs_costs_nobody(queue: Queue, hub: Hub) -> None:
    """Neither where it does not answer, nor where it once says that a revision is gone."""
    judged(queue, 1)
    looks = Availability(queue, lambda _: None, hub.look)
    for now, gone, away in (
        (0, True, False),
        (1, False, True),
        (2, False, False),
        (3, True, False),
        (3.5, True, False),
    ):
        hub.gone, hub.away = ({revision(0)} if gone else set()), away
        looks.round(BLOCK, now * EVERY_S)
    assert queue.counts().verdicts == {"pass": 1}


def test_a_deleter_is_looked_at_first(queue: Queue, hub: Hub) -> None:
    """Among many others: one deleted dataset found leads to all of them."""
    judged(queue, 4 * LOOKS)
    judged(queue, LOOKS - 1, BOB, first=1000)
    hub.gone = {revision(number) for number in range(1000, 1000 + LOOKS)}
    looks = Availability(queue, lambda _: None, hub.look)
    for now in range(60):
        looks.round(BLOCK, now * EVERY_S)
        if queue.counts().verdicts.get("fail") == LOOKS - 1:
            break
    assert queue.counts().verdicts == {"pass": 4 * LOOKS, "fail": LOOKS - 1}


def test_what_was_left_out_is_looked_at_too_and_old_lines_are_not(queue: Queue, hub: Hub) -> None:
    """A line that nobody judged is paid like others; after thirty days nothing vests any more."""
    queue.add([seen(ALICE, 0)])
    queue.leave_out(following(queue), 0.5, "t0", ("w",), 200)
    assert queue.counts().verdicts == {CLAIMED: 1}
    looks = Availability(queue, lambda _: None, hub.look)
    looks.round(BLOCK, 0.0)
    looks.round(101 + VESTING_DAYS * PAID_BLOCKS, 1.0)
    assert hub.asked == [f"alice/web@{line(0).partition('@')[2][:40]}/tasks/t0"]
