"""The validator's chores, round by round: what is told, to whom, and when the weights are set."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from finest.chain.errors import NoPermit, RateLimited
from finest.chain.weights import PendingWeights
from finest.errors import TaskServerUnavailable
from finest.validator.loop import validator as module
from finest.validator.loop.assignment import RetryLater
from finest.validator.loop.disclosure import Disclosure
from finest.validator.loop.lines import Entry
from finest.validator.loop.validator import NO_PERMIT_WAIT_S, REPORT_S
from tests.miner.world import refused

from .lines import ALICE, BOB, CAROL, following, seen, settled, warc
from .world import World, evidence


def test_what_the_task_server_refuses_for_good_hinders_nobody(world: World) -> None:
    """A task that it does not know any more; the others are told."""
    judge_three(world)
    world.server.refusals = [refused("not-found"), None, refused("not-finished")]
    assert world.validator()._report() == REPORT_S
    assert [name for name, _ in world.server.heard] == ["t2"]
    assert world.queue.unreported() == []


@pytest.mark.parametrize("name", ["not-a-validator", "not-registered", "not-authenticated", "rate-limited"])
def test_a_refusal_of_ourselves_is_said_once(world: World, name: str) -> None:
    """The rest is not tried, and nothing is forgotten: it is told when the permit is there."""
    judge_three(world)
    world.server.refusals = [refused(name)]
    validator = world.validator()
    assert validator._report() == NO_PERMIT_WAIT_S
    assert (len(world.said), world.server.heard) == (1, [])
    assert validator._report() == REPORT_S
    assert len(world.server.heard) == 3
    assert world.queue.unreported() == []


def test_verdicts_are_told_once_weights_that_contain_them_are_public(world: World) -> None:
    """While weights are hidden nobody hears a verdict: a copier would have them before they are revealed."""
    judge_three(world)  # at blocks 200, 201 and 202
    validator = world.validator()
    validator._disclosure = Disclosure(world.chain, ask_s=0.0)  # type: ignore[arg-type]
    told = []
    for blocks, last in [((), 150), ((201,), 201), ((201, 300), 300), ((300,), 300), ((), 300)]:
        world.chain.pending = PendingWeights(hides=True, blocks=blocks, last_update_block=last)
        validator._report()
        told.append(len(world.server.heard))
    assert told == [0, 0, 0, 2, 3]


def judge_three(world: World) -> None:
    world.queue.add([seen(ALICE, number) for number in range(3)])
    for number in range(3):
        world.queue.record_verdict(following(world.queue), settled(task_id=f"t{number + 1}", block=200 + number))


def test_what_is_told_is_what_the_server_takes(world: World) -> None:
    """Verdict, score, hash; words in one line, no longer than they may be."""
    world.queue.add([seen()])
    world.queue.record_verdict(following(world.queue), settled(why="row 3 (\x00\n): " + "x" * 1000))
    world.validator()._report()
    _, told = world.server.heard[0]
    assert (told.verdict, told.score, told.evidence_sha256) == ("pass", 0.9, "ab" * 32)
    assert (len(told.note), told.note.isprintable(), told.note[:7]) == (400, True, "row 3 (")


def test_weights_are_of_those_who_have_a_seat(world: World) -> None:
    """In proportion to work and scores; and again when an epoch is over."""
    world.queue.add([seen(ALICE, 1), seen(BOB, 2), seen(CAROL, 3)])
    while entry := world.queue.next():
        total = 0.0 if entry.hotkey == CAROL else 0.5
        world.queue.record_verdict(
            entry, settled(total=total, block=900, warcs=(warc(0),) * (1 + (entry.hotkey == BOB)))
        )
    del world.chain.registrations[ALICE]
    assert world.validator()._set_weights() == pytest.approx(3.6)
    assert list(world.chain.weights[0]) == [BOB]


def test_nobody_has_a_score(world: World) -> None:
    """No weights are sent."""
    world.validator()._set_weights()
    assert (world.chain.weights, "no weights are set" in world.said[0]) == ([], True)


def test_without_a_permit_no_weights_are_set(world: World) -> None:
    """It says so, and asks again in ten minutes."""
    judge_three(world)
    world.chain.refusals = [NoPermit("no permit"), RateLimited("too early", 30)]
    validator = world.validator()
    assert validator._set_weights_when_due() == NO_PERMIT_WAIT_S
    assert "The weights could not be set: no permit" in world.said[-1]
    assert validator._set_weights_when_due() == pytest.approx(0.3)
    assert validator._set_weights_when_due() == pytest.approx(3.6)
    assert len(world.chain.weights) == 1


def test_once_ends_though_a_line_has_no_task(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever commits what nobody leased keeps no validator; what is due within a minute is waited for."""
    monkeypatch.setattr(module, "find_new_lines", lambda *_, **__: SimpleNamespace(new=2, lines=2))
    world.queue.add([seen(ALICE), seen(BOB, 1)])
    tries = Counter[str]()

    def found(entry: Entry) -> Any:
        tries[entry.hotkey] += 1
        if entry.hotkey == ALICE:
            return RetryLater(10_000, "no task is finished with it yet")
        return world.subject(entry) if tries[BOB] > 2 else RetryLater(1, "not final")

    world.found = found
    world.verdict = lambda job: evidence(job, "manifest", "fail")
    world.validator().once()
    assert tries == {ALICE: 1, BOB: 3}
    assert (world.queue.counts().waiting, world.queue.counts().verdicts) == (1, {"fail": 1})
    assert len(world.server.heard) == 1


def test_the_look_after_a_failed_one_is_far(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the failed one has not seen would be missed for good."""
    fars, troubles = list[bool](), [None, TaskServerUnavailable("away"), None, None]

    def find_new_lines(*_: Any, full: bool) -> Any:
        fars.append(full)
        trouble = troubles.pop(0)
        if trouble is not None:
            raise trouble
        return SimpleNamespace(new=0, lines=0)

    monkeypatch.setattr(module, "find_new_lines", find_new_lines)
    validator = world.validator()
    validator._find_new_lines()
    with pytest.raises(TaskServerUnavailable):
        validator._find_new_lines()
    validator._find_new_lines()
    assert validator._find_new_lines() == pytest.approx(0.05)
    assert fars == [True, False, True, False]
