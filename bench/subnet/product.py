"""Every call of the product's code: the task server's store, a validator's queue, draw, score and weights."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from bench.subnet.outcomes import Found, audit
from bench.subnet.panel import REPORT_BLOCKS, Panel
from bench.subnet.settings import DAY, VERDICT_CPU_S
from bench.subnet.task import Committed, sha
from finest.chain.payload import encode
from finest.tasks.models import Rules, Score, ScoreRequest, Task
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from finest.validator.loop import queue as queue_module
from finest.validator.loop.availability import Availability
from finest.validator.loop.committee import (
    WAIT_BLOCKS,
    agreed,
    differs,
    is_spot_check,
    share_of_busiest,
    suffice,
    usable,
)
from finest.validator.loop.lines import Entry, ObservedLine, RecordedVerdict
from finest.validator.loop.queue import Queue
from finest.validator.loop.sampling import draw
from finest.validator.loop.weights import MAX_AGE_BLOCKS, PAID_BLOCKS, Past, weights
from finest.validator.models import Assignment, Evidence, Subject, Submission
from finest.validator.score import score
from finest.validator.seed import make_seed

NOBODY = "0" * 64
BLOCK_S = 12.0
SPARE = 0.8
"""Share of a validator's time that the product plans for: what the busiest one is expected to judge takes so much."""


class TaskServer:
    """The task server's store over SQLite, without its HTTP."""

    def __init__(self, folder: Path) -> None:
        self._store = Store.open(f"sqlite:///{folder / 'tasks.db'}", Rules())
        self._reported: set[tuple[str, str]] = set()

    def close(self) -> None:
        self._store.close()

    def add_crawl(self, name: str, warcs: int) -> None:
        """Add the WARCs of a crawl."""
        self._store.add_warcs(
            name, (f"crawl-data/{name}/segments/1/warc/{number:05d}.warc.gz" for number in range(warcs))
        )

    def lease(self, hotkey: str, coldkey: str, warcs: int, block: int, besides: str | None) -> Task | None:
        """Lease a task besides the open one; None if the server has none for the hotkey now."""
        with suppress(Problem):
            return self._store.lease(hotkey, warcs, block, besides=besides, coldkey=coldkey)
        return None

    def renew(self, hotkey: str, task: Task, block: int) -> bool:
        """Renew a lease; return whether the server allows it."""
        try:
            self._store.renew(hotkey, task.id, block)
        except Problem:
            return False
        return True

    def finish(self, hotkey: str, task: Task, block: int) -> str | None:
        """Finish a task with a dataset of its own; return the commitment line, or None if the lease has expired.

        The line depends on the hotkey and the lease alone, so that a seed gives the same month again.
        """
        repo, root = f"{sha(hotkey)[:16]}/web", sha(f"{hotkey} {task.leased_block} {task.warcs[0]}")
        line = encode(repo, root[:40], root)
        try:
            self._store.finish(hotkey, task.id, repo, root[:40], root, line, block)
        except Problem:
            return None
        return line

    def report(self, judge: Judge, block: int) -> None:
        """Report the verdicts of a validator, and those of other members that it has seen, that are new."""
        for report in judge.queue.unreported():
            tokens = None if report.tokens is None else int(report.tokens)
            score = ScoreRequest(
                verdict=report.verdict, score=report.total, tokens=tokens, evidence_sha256=report.evidence_sha256
            )
            self._store.report(judge.name, report.task_id, score, block)
            judge.queue.reported(report)
        for task, seen in judge.seen.items():
            if task in self._reported:
                continue
            self._reported.add(task)
            score = ScoreRequest(verdict=seen.verdict, score=seen.score, tokens=seen.tokens, evidence_sha256=NOBODY)
            self._store.report(seen.validator, task[0], score, block)
        judge.seen.clear()


@dataclass(slots=True)
class Judge:
    """One validator's queue and its verdicts, with the product's own draw, score and weights."""

    queue: Queue
    capacity: float
    """Tasks that all validators draw in a day."""
    random: random.Random
    name: str
    panel: Panel
    known: dict[str, Committed] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Deleted datasets, as REPO@REVISION."""
    waited: list[int] = field(default_factory=list)
    """Blocks from commitment to verdict."""
    totals: list[tuple[int, float, int]] = field(default_factory=list)
    """Block, score and WARCs of every verdict."""
    adopted: int = 0
    """Verdicts that it took over from others."""
    seen: dict[tuple[str, str], Score] = field(default_factory=dict)
    """Reports of other validators that are new, by task and validator."""
    _budget: float = 0.0
    _availability: Availability | None = None

    @classmethod
    def open(cls, folder: Path, name: str, capacity: float, seed: int, panel: Panel) -> Judge:
        """Open a queue of its own."""
        queue = Queue.open(f"sqlite:///{folder / name}.db")
        judge = cls(queue, capacity, random.Random(f"{seed} {name}"), name, panel)
        judge._availability = Availability(queue, lambda _: None, judge._look)
        return judge

    def look_again(self, block: int) -> None:
        """Look again at some of the paid datasets."""
        if self._availability is not None:
            self._availability.round(block, block * BLOCK_S)

    def _look(self, place: str) -> str | None:
        return "it was deleted" if place in self.gone else None

    def see(self, committed: Committed) -> None:
        """Add a line from the chain to the queue."""
        self.known[committed.line] = committed
        registered, block = committed.registered_block, committed.block
        line = ObservedLine(
            committed.hotkey, committed.line, registered, block, standing=True, size=len(committed.task.warcs)
        )
        self.queue.add([line], now_s=block * BLOCK_S)

    def judge(self, block: int, blocks: int) -> list[tuple[Committed, Found]]:
        """Judge as much as `blocks` blocks allow, in the product's order; return the verdicts."""
        can = self.capacity * share_of_busiest(self.panel.stakes) / SPARE
        self._budget = min(self._budget + can * blocks / DAY, max(1.0, can / 4))
        self.queue.expire(block - PAID_BLOCKS, block)
        distrusted, done = self.queue.distrusted(), []
        while (entry := self.queue.next(now_s=block * BLOCK_S)) is not None:
            committed = self.known[entry.line]
            task = Assignment(warcs=tuple(committed.task.warcs), id=committed.task.id)
            seed = make_seed(committed.beacon.hash, committed.line, self.name)
            told = Submission(line=committed.line)
            subject = Subject(submission=told, task=task, seed=seed, beacon=committed.beacon)
            if not draw(self.queue, entry, subject, block, self.capacity):
                continue
            members = self.panel.members(committed)
            trusted = [] if self.name in members else [one for one in members if one not in distrusted]
            scores = usable(self.panel.reports(committed, trusted, block), trusted)
            self.seen.update({(committed.task.id, one.validator): one for one in scores})
            if self._is_adopted(entry, committed, subject, trusted, scores, block):
                continue
            if self._budget <= 0:
                break
            self._budget -= 1
            found = self._record(entry, committed, subject, block)
            self.queue.compare({one.validator: _differs(one, found) for one in scores})
            done.append((committed, found))
        return done

    def _is_adopted(
        self, entry: Entry, committed: Committed, subject: Subject, members: Sequence[str], scores: Sequence[Score],
        block: int,
    ) -> bool:  # fmt: skip
        """Adopt what the members agree on, or wait for them, as the product's judge does."""
        if not members:
            return False
        has_waited = block > entry.block + WAIT_BLOCKS
        if has_waited and not suffice(scores, members):
            return False
        if len(scores) < len(members) and not has_waited:
            passed = block - entry.block
            until = REPORT_BLOCKS if passed < REPORT_BLOCKS else WAIT_BLOCKS + 1  # when asking again can matter
            self.queue.retry_later(entry, (until - passed) * BLOCK_S, "waiting", tried=False)
            return True
        found = None if is_spot_check(subject.seed) else agreed(scores)
        if found is None:
            return False
        task = subject.task
        self.queue.record_verdict(entry, RecordedVerdict(
            "pass", found.total, False, task.id, task.warcs, block, "", "adopted", 0.0, found.tokens,
        ), own=False)  # fmt: skip
        self.waited.append(block - committed.block)
        self.adopted += 1
        return True

    def _record(self, entry: Entry, committed: Committed, subject: Subject, block: int) -> Found:
        task = committed.task
        found = audit(committed.job.delivery, len(task.warcs), *committed.blocks, self.random)
        if committed.place in self.gone:
            found = Found("fail", forged=False, measured=found.measured)
        passed = found.verdict == "pass"
        total = score(found.measured).total if passed else 0.0
        tokens = float(found.measured.verified_tokens) if passed else 0.0
        self.queue.record_verdict(entry, RecordedVerdict(
            verdict=found.verdict, total=total, forged=found.forged, task_id=task.id, warcs=subject.task.warcs,
            block=block, evidence_sha256=NOBODY, why="", cpu_s=VERDICT_CPU_S, tokens=tokens,
        ))  # fmt: skip
        self.waited.append(block - committed.block)
        self.totals.append((block, total, len(task.warcs)))
        return found

    def weights(self, block: int, registrations: Mapping[str, int]) -> dict[str, float]:
        """Compute the weights from all verdicts so far."""
        return weights(self.queue.past(block - MAX_AGE_BLOCKS), block, registrations)


@contextmanager
def simulated_time(clock: Clock) -> Iterator[None]:
    """Let the queue's clock be the simulation's inside the block: it dates what it postpones and records."""
    names = vars(queue_module)
    real, names["time"] = names["time"], clock
    try:
        yield
    finally:
        names["time"] = real


@dataclass(slots=True)
class Clock:
    """The time of the simulated chain."""

    block: int = 0

    def time(self) -> float:
        """Return the seconds since block 0."""
        return self.block * BLOCK_S


def _differs(one: Score, found: Found) -> bool:
    total = score(found.measured).total if found.verdict == "pass" else 0.0
    return differs(one, cast("Evidence", SimpleNamespace(verdict=found.verdict, total=total)))


def unread(committed: list[Committed], block: int, registrations: Mapping[str, int]) -> dict[str, float]:
    """Return the weights of a validator that passes every task unread, with the score of an honest one."""
    pasts = [
        Past(
            one.hotkey, one.registered_block, one.block, one.block + 1, "pass", 0.864, False, len(one.task.warcs),
            1_500_000.0 * len(one.task.warcs),
        )
        for one in committed if one.block > block - PAID_BLOCKS
    ]  # fmt: skip
    return weights(pasts, block, registrations)
