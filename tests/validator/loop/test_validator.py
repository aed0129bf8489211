"""The validator's chores, round by round: what comes next, what is said, and what is never anybody's fault."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finest.chain.errors import NoPermit, RateLimited
from finest.errors import TaskServerUnavailable
from finest.settings import Settings
from finest.tasks.models import ScoreRequest
from finest.validator.audit import inadmissible
from finest.validator.evidence import read_evidence
from finest.validator.loop import validator as module
from finest.validator.loop.assignment import NotYet
from finest.validator.loop.queue import Entry, Queue
from finest.validator.loop.validator import NO_RIGHT_S, REPORT_S, ValidateOptions, Validator
from finest.validator.loop.verdict import Done
from finest.validator.models import Assignment, Check, Evidence, Plan, Subject, Submission
from finest.validator.telemetry import Telemetry
from tests.miner.world import refused, task
from tests.validator.made import VALIDATOR

from .lines import ALICE, BOB, CAROL, SOON_S, following, line, seen, settled, warc

REVISION = "0" * 40
AGAIN_S = (100.0, 200.0)


class Key:
    address = VALIDATOR

    def sign(self, message: bytes) -> bytes:
        return bytes(64)


@dataclass
class ChainOf:
    """A chain of one validator, at one block."""

    hotkey: Any = field(default_factory=Key)
    seats: dict[str, int] = field(default_factory=lambda: {ALICE: 1, BOB: 1, CAROL: 1})
    block: int = 1000
    weights: list[dict[str, float]] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)

    def view(self, *, fresh_s: float | None = None) -> Any:
        neurons = [SimpleNamespace(hotkey=key, registration_block=block) for key, block in self.seats.items()]
        return SimpleNamespace(block=self.block, block_time_s=0.01, tempo_blocks=360, neurons=neurons)

    def set_weights(self, weights: dict[str, float]) -> Any:
        if self.refusals:
            raise self.refusals.pop(0)
        self.weights.append(weights)
        return SimpleNamespace(block=self.block)


@dataclass
class ServerOf:
    """A task server that hears verdicts."""

    heard: list[tuple[str, ScoreRequest]] = field(default_factory=list)
    refusals: list[Exception | None] = field(default_factory=list)

    def report(self, task_id: str, score: ScoreRequest) -> None:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        self.heard.append((task_id, score))


class World:
    """A validator whose audits say what a test wants."""

    def __init__(self, queue: Queue, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue, self.chain, self.server, self.work = queue, ChainOf(), ServerOf(), work
        self.stop, self.said = threading.Event(), list[str]()
        self.found: Callable[[Entry], Any] = self.subject
        self.verdict: Callable[[Any], Done] = lambda _: Done(None, "the check ended with status 1", 1.0)
        monkeypatch.setattr(module, "judged", lambda job, stop, say: self.verdict(job))

    def validator(self, **options: Any) -> Validator:
        settings = Settings(cache=self.work)
        told = ValidateOptions(self.work, Plan(), 1000, **{"again_s": AGAIN_S} | options)
        assignments, heldout = SimpleNamespace(subject=self.found), SimpleNamespace(pick=_none)
        return Validator(
            told, settings, self.chain, self.server, self.queue, assignments, heldout, Telemetry(), self.stop,  # type: ignore[arg-type]
            self.said.append,
        )  # fmt: skip

    def subject(self, entry: Entry) -> tuple[Subject, Any]:
        told = Submission(repo="alice/web", revision=REVISION, line=entry.line, hotkey=entry.hotkey)
        assigned = Assignment(warcs=(warc(0), warc(1)), id="t1", hotkey=entry.hotkey)
        return Subject(submission=told, task=assigned, seed="ab" * 32, validator=VALIDATOR), task()


def _none(*_: object) -> tuple[str, ...]:
    return ()


def evidence(job: Any, name: str, outcome: Any, detail: str = "so") -> Done:
    return Done(inadmissible(job.subject, job.plan, Check(name=name, outcome=outcome, detail=detail)), "", 2.0)


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    queue = Queue.open(sqlite_url)
    yield World(queue, tmp_path, monkeypatch)
    queue.close()


def test_a_line_that_cannot_be_looked_at_keeps_nobody_waiting(world: World) -> None:
    """Its round fails; the next one is another's, and the line itself is looked at again later, untried."""
    world.queue.add([seen(ALICE), seen(BOB, 7)])
    judged = list[str]()

    def found(entry: Entry) -> Any:
        if entry.hotkey == ALICE:
            raise TaskServerUnavailable("the task server does not answer")
        judged.append(entry.hotkey)
        return NotYet(10_000, "later")

    world.found = found
    validator = world.validator()
    with pytest.raises(TaskServerUnavailable):
        validator._judge()
    validator._judge()
    assert judged == [BOB]
    assert world.queue.next() is None
    left = following(world.queue, now_s=SOON_S)
    assert (left.hotkey, left.tries, left.why) == (ALICE, 0, "the task server does not answer")


def test_judges_never_have_the_same_line(world: World) -> None:
    """Eight at a time, two hundred lines of three hotkeys: each is given one verdict."""
    lines = [seen(hotkey, number) for number in range(67) for hotkey in (ALICE, BOB, CAROL)]
    world.queue.add(lines)
    validator, given, now = world.validator(), Counter[int](), list[int]()

    def give(entry: Entry) -> None:
        assert entry.id not in now
        now.append(entry.id)
        time.sleep(0.001)
        given[entry.id] += 1
        now.remove(entry.id)
        world.queue.settle(entry, settled())

    validator._give_verdict = give  # type: ignore[method-assign]
    judges = [threading.Thread(target=lambda: [None for _ in iter(validator._judge, module.IDLE_S)]) for _ in range(8)]
    for judge in judges:
        judge.start()
    for judge in judges:
        judge.join()
    assert (len(given), set(given.values())) == (len(lines), {1})
    assert world.queue.counts().waiting == 0


def test_a_failure_of_ours_is_tried_again_and_then_left(world: World) -> None:
    """After the last wait it is left without evidence, and that is reported: nobody's fault, nobody's pay."""
    world.queue.add([seen()])
    validator = world.validator()
    for number, wait_s in enumerate(AGAIN_S):
        entry = following(world.queue, now_s=SOON_S)
        assert entry.tries == number
        validator._give_verdict(entry)
        due_s = world.queue.next_due_s()
        assert due_s is not None
        assert abs(due_s - time.time() - wait_s) < 20
    validator._give_verdict(following(world.queue, now_s=SOON_S))
    assert world.queue.counts().verdicts == {"no_evidence": 1}
    (report,) = world.queue.unreported()
    assert (report.verdict, report.total, "status 1" in report.why) == ("no_evidence", 0.0, True)
    assert world.queue.past(0)[0].forged is False


def test_what_is_gone_must_be_gone_twice(world: World) -> None:
    """What the Hub says is not there is asked for again, also where another try came to nothing before."""
    world.queue.add([seen()])
    validator = world.validator()
    answers = ["audit", "revision", "revision"]
    world.verdict = lambda job: evidence(job, (one := answers.pop(0)), "fail" if one == "revision" else "no_evidence")
    for waits in (1, 1, 0):
        validator._give_verdict(following(world.queue, now_s=SOON_S))
        assert world.queue.counts().waiting == waits
    assert world.queue.counts().verdicts == {"fail": 1}
    assert world.queue.past(0)[0].forged is False


def test_a_stop_gives_no_verdict(world: World) -> None:
    """What was cut off is no try: it is judged when the validator starts again."""
    world.queue.add([seen()])

    def cut_off(_: Any) -> Done:
        world.stop.set()
        return Done(None, "stopped", 1.0)

    world.verdict = cut_off
    world.validator()._judge()
    entry = following(world.queue)
    assert (entry.tries, entry.why) == (0, "")
    assert not (world.work / "evidence").exists()


def test_a_verdict_is_kept_with_its_record(world: World) -> None:
    """Signed, under a name that the line has; a lie is known as one."""
    world.queue.add([seen()])
    world.verdict = lambda job: evidence(job, "manifest", "fail")
    entry, validator = following(world.queue), world.validator()
    validator._judge()
    record = read_evidence(validator.evidence_file(entry))
    assert (record.verdict, record.signature, record.subject.submission.line) == ("fail", "00" * 64, line(0))
    (past,) = world.queue.past(0)
    assert (past.verdict, past.forged, past.warcs) == ("fail", False, 2)


@pytest.mark.parametrize("outcome", ["fail", "no_evidence"])
def test_a_strangers_words_are_one_line_of_the_log(world: World, outcome: str) -> None:
    """An id with a line's end and an escape in it writes no line of its own, and takes none back."""
    world.queue.add([seen()])
    world.verdict = lambda job: evidence(job, "audit", outcome, "row 1 (\x1b[2J\n2026-11-23 12:00:00  Weights set)")
    world.validator()._judge()
    (said,) = (line for line in world.said if "Weights set" in line)
    assert said.isprintable() and "\ufffd[2J 2026" in said


def test_a_lie_is_remembered_as_one(world: World) -> None:
    """Forged rows: every check of admission has passed, and the verdict is a fail."""
    world.queue.add([seen()])

    def lied(job: Any) -> Done:
        base: Evidence = evidence(job, "recipe", "pass").evidence  # type: ignore[assignment]
        return Done(base.model_copy(update={"verdict": "fail", "why": "4 of 9 rows are forged"}), "", 1.0)

    world.verdict = lied
    world.validator()._judge()
    assert world.queue.past(0)[0].forged is True


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
    assert validator._report() == NO_RIGHT_S
    assert (len(world.said), world.server.heard) == (1, [])
    assert validator._report() == REPORT_S
    assert len(world.server.heard) == 3
    assert world.queue.unreported() == []


def judge_three(world: World) -> None:
    world.queue.add([seen(ALICE, number) for number in range(3)])
    for number in range(3):
        world.queue.settle(following(world.queue), settled(task_id=f"t{number + 1}", block=200 + number))


def test_what_is_told_is_what_the_server_takes(world: World) -> None:
    """Verdict, score, hash; words in one line, no longer than they may be."""
    world.queue.add([seen()])
    world.queue.settle(following(world.queue), settled(why="row 3 (\x00\n): " + "x" * 1000))
    world.validator()._report()
    _, told = world.server.heard[0]
    assert (told.verdict, told.score, told.evidence_sha256) == ("pass", 0.9, "ab" * 32)
    assert (len(told.note), told.note.isprintable(), told.note[:7]) == (400, True, "row 3 (")


def test_weights_are_of_those_who_have_a_seat(world: World) -> None:
    """In proportion to work and scores; and again when an epoch is over."""
    world.queue.add([seen(ALICE, 1), seen(BOB, 2), seen(CAROL, 3)])
    while entry := world.queue.next():
        total = 0.0 if entry.hotkey == CAROL else 0.5
        world.queue.settle(entry, settled(total=total, block=900, warcs=(warc(0),) * (1 + (entry.hotkey == BOB))))
    del world.chain.seats[ALICE]
    assert world.validator()._weigh() == pytest.approx(3.6)
    assert list(world.chain.weights[0]) == [BOB]


def test_nobody_has_a_score(world: World) -> None:
    """No weights are sent."""
    world.validator()._weigh()
    assert (world.chain.weights, "no weights are set" in world.said[0]) == ([], True)


def test_without_a_permit_no_weights_are_set(world: World) -> None:
    """It says so, and asks again in ten minutes."""
    judge_three(world)
    world.chain.refusals = [NoPermit("no permit"), RateLimited("too early", 30)]
    validator = world.validator()
    assert validator._weigh_in_time() == NO_RIGHT_S
    assert "No weights are set: no permit" in world.said[-1]
    assert validator._weigh_in_time() == pytest.approx(0.3)
    assert validator._weigh_in_time() == pytest.approx(3.6)
    assert len(world.chain.weights) == 1


def test_once_ends_though_a_line_has_no_task(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever commits what nobody leased keeps no validator; what is due within a minute is waited for."""
    monkeypatch.setattr(module, "look", lambda *_, **__: SimpleNamespace(new=2, lines=2))
    world.queue.add([seen(ALICE), seen(BOB, 1)])
    tries = Counter[str]()

    def found(entry: Entry) -> Any:
        tries[entry.hotkey] += 1
        if entry.hotkey == ALICE:
            return NotYet(10_000, "no task is finished with it yet")
        return world.subject(entry) if tries[BOB] > 2 else NotYet(1, "not final")

    world.found = found
    world.verdict = lambda job: evidence(job, "manifest", "fail")
    world.validator().once()
    assert tries == {ALICE: 1, BOB: 3}
    assert (world.queue.counts().waiting, world.queue.counts().verdicts) == (1, {"fail": 1})
    assert len(world.server.heard) == 1


def test_the_look_after_a_failed_one_is_far(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the failed one has not seen would be missed for good."""
    fars, troubles = list[bool](), [None, TaskServerUnavailable("away"), None, None]

    def look(*_: Any, far: bool) -> Any:
        fars.append(far)
        trouble = troubles.pop(0)
        if trouble is not None:
            raise trouble
        return SimpleNamespace(new=0, lines=0)

    monkeypatch.setattr(module, "look", look)
    validator = world.validator()
    validator._watch()
    with pytest.raises(TaskServerUnavailable):
        validator._watch()
    validator._watch()
    assert validator._watch() == pytest.approx(0.05)
    assert fars == [True, False, True, False]
