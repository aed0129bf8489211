"""Three validators judge a task, and the others adopt it: nobody can choose who, and nobody is believed for ever."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from finest.tasks.models import Score
from finest.validator.loop import committee as module
from finest.validator.loop.committee import (
    MEMBERS,
    WAIT_BLOCKS,
    agreed,
    committee,
    is_spot_check,
    suffice,
    usable,
)
from finest.validator.loop.lines import Entry
from finest.validator.loop.verdict import SpotCheckResult
from finest.validator.loop.weights import weights
from finest.validator.models import Beacon
from finest.validator.published.spot_check import Checked
from tests.miner.world import task
from tests.validator.made import VALIDATOR

from .lines import ALICE, SOON_S, following, seen
from .world import World, evidence

HASH = "0x" + "5e" * 32
OTHERS = [f"5Other{number:042d}" for number in range(15)]
EQUAL = dict.fromkeys([VALIDATOR, *OTHERS], 100.0)


def score(validator: str, verdict: Any = "pass", total: float = 0.9, tokens: int | None = 4_000_000) -> Score:
    return Score(validator=validator, verdict=verdict, score=total, tokens=tokens, block=200)


def test_members_are_drawn_by_stake() -> None:
    """Twice the stake, about twice as often; who has hardly any judges hardly anything."""
    stakes = {"5Large": 20.0, **dict.fromkeys(OTHERS, 10.0), "5Dust": 0.001}
    drawn = Counter(member for number in range(1500) for member in committee(HASH, f"line {number}", stakes))
    assert sum(drawn.values()) == MEMBERS * 1500
    usual = sum(drawn[other] for other in OTHERS) / len(OTHERS)
    assert 1.6 < drawn["5Large"] / usual < 2.2
    assert drawn["5Dust"] < 5


def test_everybody_draws_the_same_and_nobody_before_the_block() -> None:
    """Whatever the order in which the chain lists validators; another block's hash draws others."""
    backwards = dict(reversed(EQUAL.items()))
    lines = [f"line {number}" for number in range(50)]
    assert [committee(HASH, line, EQUAL) for line in lines] == [committee(HASH, line, backwards) for line in lines]
    other = "0x" + "6e" * 32
    assert sum(committee(HASH, line, EQUAL) == committee(other, line, EQUAL) for line in lines) < 5
    assert committee(HASH, "line", {"5A": 1.0, "5B": 2.0}) in (["5A", "5B"], ["5B", "5A"])


def test_a_validator_judges_less_than_a_quarter() -> None:
    """Of what it judged when everybody judged everything; with 16 validators, and less with more."""
    lines = range(2000)
    member = sum(VALIDATOR in committee(HASH, f"line {number}", EQUAL) for number in lines)
    spot = sum(is_spot_check(f"{number:064x}") for number in lines)
    assert (member + spot) / len(lines) < 0.25


def test_only_a_pass_that_they_agree_on_is_adopted() -> None:
    """Not a fail, not a pass that one of them sees otherwise, not scores that lie apart."""
    found = agreed([score("a", total=0.9), score("b", total=0.84, tokens=5), score("c", total=0.88)])
    assert found and (found.total, found.tokens) == (0.88, 4_000_000)
    for scores in (
        [],
        [score("a"), score("b", "fail", 0.0)],
        [score("a"), score("b", total=0.7)],
        [score("a", "fail")],
    ):
        assert agreed(scores) is None
    told = [score("a"), score("b", tokens=None), score("c", "no_evidence"), score("stranger")]
    assert usable(told, {"a", "b", "c"}) == [told[0]]


class Waiting:
    """A validator that was not drawn for Alice's line, and what the others have reported."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, *, spot: bool = False) -> None:
        self.world, self.scores, self.judged = world, list[Score](), 0
        monkeypatch.setattr(module, "is_spot_check", lambda _: spot)
        monkeypatch.setattr("finest.validator.loop.judge.is_spot_check", lambda _: spot)
        world.chain.stakes, world.chain.block = dict(EQUAL), 300
        numbers = (number for number in range(99) if VALIDATOR not in committee(HASH, seen(number=number).line, EQUAL))
        self.number = next(numbers)
        self.members = committee(HASH, seen(number=self.number).line, EQUAL)
        world.queue.add([seen(ALICE, self.number)])
        world.found, world.verdict = self._found, self._verdict

    def _found(self, entry: Entry) -> Any:
        subject, _ = self.world.subject(entry)
        beacon = Beacon(block=entry.block + 5, hash=HASH)
        return subject.model_copy(update={"beacon": beacon}), task(scores=self.scores)

    def _verdict(self, job: Any) -> Any:
        self.judged += 1
        return evidence(job, "manifest", "fail")

    def look(self) -> None:
        self.world.judge()._give_verdict(following(self.world.queue, now_s=SOON_S))


def test_who_was_not_drawn_waits_and_adopts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all three have spoken; what is adopted is paid and not reported again."""
    waiting = Waiting(world, monkeypatch)
    for member in waiting.members:
        waiting.look()
        assert world.queue.counts().verdicts == {}
        waiting.scores.append(score(member))
    waiting.look()
    assert (world.queue.counts().verdicts, waiting.judged, world.queue.unreported()) == ({"pass": 1}, 0, [])
    assert weights(world.queue.past(0), 300, {ALICE: 1})[ALICE] > 0


def test_one_silent_member_makes_nobody_judge(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After six hours two of three are enough; with a tenth of the stake silent, all judged half of all tasks."""
    waiting = Waiting(world, monkeypatch)
    waiting.scores = [score(member) for member in waiting.members[:2]]
    waiting.look()
    assert world.queue.counts().verdicts == {}
    world.chain.block = 200 + WAIT_BLOCKS
    waiting.look()
    assert (waiting.judged, world.queue.counts().verdicts) == (0, {"pass": 1})


def test_half_of_the_members_are_enough() -> None:
    """Of those that are still trusted; nobody is adopted from in the name of nobody."""
    enough = [(said, of) for of in range(4) for said in range(of + 1) if suffice([score("a")] * said, "abc"[:of])]
    assert enough == [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3)]


def test_who_was_drawn_judges_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so does every validator where there are no more than three."""
    waiting = Waiting(world, monkeypatch)
    world.chain.stakes = {VALIDATOR: 1.0, **dict.fromkeys(OTHERS[:2], 1.0)}
    waiting.look()
    assert waiting.judged == 1


@pytest.mark.parametrize("said", [["pass", "fail", "pass"], ["fail", "fail", "fail"], ["pass"]])
def test_what_nobody_vouches_for_is_judged(world: World, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """A disagreement, a fail, and what the three have not judged within six hours."""
    waiting = Waiting(world, monkeypatch)
    waiting.scores = [score(one, verdict) for one, verdict in zip(waiting.members, said, strict=False)]
    world.chain.block = 200 + WAIT_BLOCKS
    waiting.look()
    assert waiting.judged == 1


@pytest.mark.parametrize(
    ("found", "adopted", "distrust"),
    [(Checked(), True, 0), (Checked(difference="rows[0]: so"), False, 1), (Checked(unknown="away"), False, 0)],
)
def test_a_spot_check_replays_what_is_published(
    world: World, monkeypatch: pytest.MonkeyPatch, found: Checked, adopted: bool, distrust: int
) -> None:
    """What holds is adopted; what differs is counted, named and judged; what cannot be replayed is judged."""
    waiting, jobs = Waiting(world, monkeypatch, spot=True), list[Any]()

    def run(job: Any, *_: Any) -> SpotCheckResult:
        jobs.append(job)
        return SpotCheckResult(found, 1.0)

    monkeypatch.setattr("finest.validator.loop.judge.run_spot_check", run)
    place = f"victor/verdicts@{'0' * 40}#{'0' * 64}"
    published = {"evidence": place, "evidence_sha256": "ab" * 32}
    waiting.scores = [score(member).model_copy(update=published) for member in waiting.members]
    waiting.look()
    (job,) = jobs
    assert job.reported.evidence == place and job.reported.validator in waiting.members
    assert (waiting.judged, world.queue.counts().verdicts) == (int(not adopted), {"pass" if adopted else "fail": 1})
    named = [line for line in world.said if "does not hold" in line]
    assert len(named) == distrust and all(job.reported.validator in line for line in named)


def test_a_lazy_validator_is_not_adopted_from_any_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passing everything unread was worth as much as judging: checked at random, it is found out and left out."""
    waiting = Waiting(world, monkeypatch, spot=True)
    waiting.scores = [score(member) for member in waiting.members]
    waiting.look()
    assert (waiting.judged, world.queue.distrusted()) == (1, set())
    lazy, honest = waiting.members[0], OTHERS[-1]
    world.queue.compare({lazy: True, honest: False})
    world.queue.compare({lazy: True, honest: True})
    assert world.queue.distrusted() == {lazy}
    world.queue.compare(dict.fromkeys([lazy], False))
    assert world.queue.distrusted() == {lazy}
