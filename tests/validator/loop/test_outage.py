"""A task server that is away for a day costs nobody pay: real store, queue, look-ups and weights, block by block."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finest.chain.commitments import ChainCommitment, Commitments
from finest.chain.payload import decode, encode
from finest.errors import TaskServerUnavailable
from finest.tasks.models import Rules, TaskState
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from finest.tasks.transport import Refused
from finest.validator.loop.assignment import Assignments, RetryLater
from finest.validator.loop.contact import Contact
from finest.validator.loop.lines import RecordedVerdict
from finest.validator.loop.queue import Queue
from finest.validator.loop.validator import Validator
from finest.validator.loop.weights import MAX_AGE_BLOCKS, PAY_DAYS, SETTLING_BLOCKS, hotkey_scores, weights
from tests.tasks.samples import CRAWL, paths
from tests.validator.made import VALIDATOR

from .lines import ALICE, BOB, CAROL, SOON_S

STEP, DAY, TASK = 900, 7200, 1800
"""Blocks of a step, of a day, and of the work on a task."""
WARCS = {ALICE: 16, BOB: 8, CAROL: 6}
OUTAGE = range(DAY, 2 * DAY)
END = 3 * DAY


class World:
    """Three honest miners, a task server, a chain and a validator."""

    def __init__(self, folder: Path, outage: range) -> None:
        folder.mkdir()
        self.now, self.outage, self.lines, self.made = 0, outage, dict[str, tuple[str, int]](), 0
        self.hotkey = SimpleNamespace(address=VALIDATOR)
        self.store = Store.open(f"sqlite:///{folder / 'tasks.db'}", Rules())
        self.store.add_warcs(CRAWL, paths(400))
        self.queue = Queue.open(f"sqlite:///{folder / 'validator.db'}")
        contact = Contact()
        self.assignments = Assignments(self, self, self.queue, contact)  # type: ignore[arg-type]
        self.validator = Validator(
            SimpleNamespace(sets_weights=False), self, self, self.queue, None, None, None, lambda _: None,  # type: ignore[arg-type]
            contact=contact,
        )  # fmt: skip
        self.work: dict[str, tuple[Any, int, str | None]] = {}
        self.paid = dict.fromkeys(WARCS, 0.0)
        self.empty = 0

    # The chain

    def view(self, *, max_age_s: float | None = None) -> Any:
        neurons = {key: SimpleNamespace(hotkey=key, registration_block=0) for key in WARCS}
        return SimpleNamespace(block=self.now, block_time_s=12.0, neurons=list(neurons.values()), neuron=neurons.get)

    def block(self) -> int:
        return self.now

    def block_hash(self, number: int) -> str:
        return f"0x{number:064x}"

    def commitments(self) -> Commitments:
        lines = [ChainCommitment(key, 0, block, decode(line)) for key, (line, block) in self.lines.items()]  # type: ignore[arg-type]
        return Commitments(self.now, tuple(lines), {})

    # The task server

    @property
    def away(self) -> bool:
        return self.now in self.outage

    def ask(self) -> Store:
        if self.away:
            raise TaskServerUnavailable("the task server does not answer")
        return self.store

    def info(self) -> Any:
        return SimpleNamespace(rules=self.ask().rules)

    def task_by_commitment(self, hotkey: str, line: str) -> Any:
        try:
            return self.ask().task_by_commitment(hotkey, line, self.now)
        except Problem as problem:
            raise Refused(problem.name, problem.details) from None

    def tasks_of(self, hotkey: str) -> Any:
        return self.ask().tasks(self.now, hotkey=hotkey, limit=20).tasks

    def tasks(self, state: TaskState) -> Any:
        return iter(self.ask().tasks(self.now, state=state, limit=200).tasks)

    # What happens in a step

    def mine(self, hotkey: str) -> None:
        """Go on with the task in hand, whether or not the server is there; then report it and lease the next."""
        task, done_block, line = self.work.get(hotkey, (None, 0, None))
        if task and line is None and self.now >= done_block:
            self.made += 1
            line = encode("alice/web", f"{self.made:040x}", "c" * 64)
            self.lines[hotkey] = line, self.now
            self.work[hotkey] = task, done_block, line
        if self.away:
            return
        if task and line is None:
            self.store.renew(hotkey, task.id, self.now)
        if task and line:
            said = decode(line)
            assert said
            self.store.finish(hotkey, task.id, said.repo, said.revision, "c" * 64, line, self.now)
            task = None
        if task is None:
            self.work[hotkey] = self.store.lease(hotkey, WARCS[hotkey], self.now), self.now + TASK, None

    def validate(self) -> None:
        try:
            self.validator._find_new_lines()
        except TaskServerUnavailable:
            assert self.away
        waiting = []
        while (entry := self.queue.next([one.id for one in waiting], SOON_S)) is not None:
            found = self.assignments.subject(entry)
            waiting.append(entry)
            if not isinstance(found, RetryLater):
                task = found[1]
                verdict, warcs = ("pass", tuple(task.warcs)) if task else ("no_evidence", ())
                self.queue.record_verdict(entry, RecordedVerdict(
                    verdict, 0.8, False, None, warcs, self.now, "", "", 1.0, 1e6 * len(warcs),  # type: ignore[arg-type]
                ))  # fmt: skip
        found_weights = weights(self.queue.past(self.now - MAX_AGE_BLOCKS), self.now, dict.fromkeys(WARCS, 0))
        self.empty += self.now > DAY and not found_weights
        for hotkey, weight in found_weights.items():
            self.paid[hotkey] += weight / sum(found_weights.values())

    def run(self) -> dict[str, float]:
        """Return each miner's share of all that was paid."""
        for self.now in range(0, END, STEP):
            if not self.away:
                self.store.note_alive(self.now)
            for hotkey in WARCS:
                self.mine(hotkey)
            self.validate()
        return {hotkey: paid / sum(self.paid.values()) for hotkey, paid in self.paid.items()}


@pytest.mark.nightly
def test_an_outage_of_a_day_costs_no_miner_its_pay(tmp_path: Path) -> None:
    """Each one's share stays what it is without, every task in hand is paid, and weights are set all the time.

    The reliability of new hotkeys grows with their work, of which there is less in three days with an outage: that is
    the difference allowed here.
    """
    usual, away = World(tmp_path / "usual", range(0)), World(tmp_path / "away", OUTAGE)
    expected, found = usual.run(), away.run()
    assert (usual.empty, away.empty) == (0, 0)
    assert found == pytest.approx(expected, rel=0.03)
    for world in (usual, away):
        assert world.queue.counts().verdicts == {"pass": world.made - world.queue.counts().waiting}
        assert world.queue.counts().waiting == 0


def test_what_was_finished_before_an_outage_is_judged_in_it(tmp_path: Path) -> None:
    """By what the server said of the task when it was there; what it does not know yet waits."""
    world = World(tmp_path / "world", range(TASK + STEP, END))
    for world.now in range(0, TASK + 1, STEP):
        for hotkey in WARCS:
            world.mine(hotkey)
    world.validator._find_new_lines()
    world.now += STEP
    world.lines[CAROL] = encode("carol/web", "f" * 40, "c" * 64), world.now
    world.validate()
    assert world.queue.counts().verdicts == {"pass": 3}
    assert world.queue.counts().waiting == 1


def test_what_an_outage_delayed_is_paid_from_its_report_on(tmp_path: Path) -> None:
    """However old the line is by then, and though the validator looks before the miner has reported it."""
    back = DAY + TASK + STEP
    world = World(tmp_path / "world", range(TASK, back))
    for world.now in (0, STEP, TASK):
        if not world.away:
            world.store.note_alive(world.now)
            world.mine(CAROL)
    world.mine(CAROL)
    assert world.lines[CAROL][1] == TASK < back - DAY
    world.validate()
    world.now = back
    world.store.note_alive(back)
    world.validate()
    world.mine(CAROL)
    world.validate()
    assert world.queue.counts().verdicts == {"pass": 1}
    end = back + SETTLING_BLOCKS + PAY_DAYS * DAY
    for block, paid in ((end - 1, True), (end, False)):
        assert (hotkey_scores(world.queue.past(0), block)[CAROL].pay > 0) == paid


def test_nobody_is_too_late_while_miners_report_what_an_outage_delayed(tmp_path: Path) -> None:
    """A line without a task is inadmissible once the server has been there for a lease, and not before."""
    world = World(tmp_path / "world", range(STEP, DAY))
    world.validate()
    world.lines[CAROL] = encode("carol/web", "f" * 40, "c" * 64), DAY // 2
    for world.now in range(DAY // 2, DAY + 1801, STEP):
        world.validate()
    assert (world.queue.counts().waiting, world.queue.counts().verdicts) == (1, {})
    world.now = DAY + 1801
    world.validate()
    world.now += STEP
    world.validate()
    assert world.queue.counts().verdicts == {"no_evidence": 1}
