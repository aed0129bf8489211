"""Every call of the product's code: the task server's store, a validator's queue, draw, score and weights."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.subnet.miners import Job
from bench.subnet.outcomes import Found, audit
from bench.subnet.settings import DAY
from finest.chain.payload import decode, encode
from finest.tasks.models import Rules, ScoreRequest, Task
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from finest.validator.loop.availability import Availability
from finest.validator.loop.queue import ObservedLine, Queue, RecordedVerdict
from finest.validator.loop.sampling import draw
from finest.validator.loop.weights import MAX_AGE_BLOCKS, PAID_BLOCKS, Past, weights
from finest.validator.models import Assignment, Subject, Submission
from finest.validator.score import score

NOBODY = "0" * 64
BLOCK_S = 12.0


def sha(text: str) -> str:
    """Return the sha256 of a text as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Committed:
    """A task that a miner finished."""

    hotkey: str
    strategy: str
    line: str
    block: int
    registered_block: int
    task: Task
    job: Job

    @property
    def place(self) -> str:
        """REPO@REVISION of the dataset."""
        commitment = decode(self.line)
        assert commitment is not None
        return f"{commitment.repo}@{commitment.revision}"


class TaskServer:
    """The task server's store over SQLite, without its HTTP."""

    def __init__(self, folder: Path) -> None:
        self._store = Store.open(f"sqlite:///{folder / 'tasks.db'}", Rules())

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
        """Report the verdicts of a validator that are new."""
        for report in judge.queue.unreported():
            score = ScoreRequest(verdict=report.verdict, score=report.total, evidence_sha256=report.evidence_sha256)
            self._store.report(judge.name, report.task_id, score, block)
            judge.queue.reported(report)


@dataclass(slots=True)
class Judge:
    """One validator's queue and its verdicts, with the product's own draw, score and weights."""

    queue: Queue
    capacity: float
    """Verdicts that it can give in a day."""
    random: random.Random
    name: str
    seed_of: str
    """Whose seed it draws by: its own, or one that all share."""
    known: dict[str, Committed] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Deleted datasets, as REPO@REVISION."""
    waited: list[int] = field(default_factory=list)
    """Blocks from commitment to verdict."""
    totals: list[tuple[int, float, int]] = field(default_factory=list)
    """Block, score and WARCs of every verdict."""
    _budget: float = 0.0
    _availability: Availability | None = None

    @classmethod
    def open(cls, folder: Path, name: str, capacity: float, seed: int, shared_draw: bool) -> Judge:
        """Open a queue of its own."""
        queue = Queue.open(f"sqlite:///{folder / name}.db")
        judge = cls(queue, capacity, random.Random(f"{seed} {name}"), name, "all" if shared_draw else name)
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
        line = ObservedLine(
            committed.hotkey, committed.line, committed.registered_block, committed.block, standing=True
        )
        self.queue.add([line], now_s=0.0)

    def judge(self, block: int, blocks: int) -> list[tuple[Committed, Found]]:
        """Judge as much as `blocks` blocks allow; return the verdicts."""
        self._budget = min(self._budget + self.capacity * blocks / DAY, self.capacity / 4)
        self.queue.expire(block - PAID_BLOCKS, block)
        done = []
        while self._budget >= 1 and (entry := self.queue.next(now_s=1e12)) is not None:
            committed = self.known[entry.line]
            task = Assignment(warcs=tuple(committed.task.warcs), id=committed.task.id)
            subject = Subject(submission=Submission(), task=task, seed=sha(f"{self.seed_of} {entry.line}"))
            if not draw(self.queue, entry, subject, block, self.capacity):
                continue
            self._budget -= 1
            found, total, tokens = self._audit(committed)
            recorded = RecordedVerdict(
                found.verdict,
                total,
                found.forged,
                committed.task.id,
                subject.task.warcs,
                block,
                NOBODY,
                "",
                0.0,
                tokens,
            )
            self.queue.record_verdict(entry, recorded)
            self.waited.append(block - committed.block)
            self.totals.append((block, total, len(subject.task.warcs)))
            done.append((committed, found))
        return done

    def _audit(self, committed: Committed) -> tuple[Found, float, float]:
        task = committed.task
        found = audit(
            committed.job.delivery, len(task.warcs), committed.block - task.leased_block,
            (task.due_block or task.expires_block) - task.leased_block, self.random,
        )  # fmt: skip
        if committed.place in self.gone:
            found = Found("fail", forged=False, measured=found.measured)
        passed = found.verdict == "pass"
        total = score(found.measured).total if passed else 0.0
        return found, total, float(found.measured.verified_tokens) if passed else 0.0

    def weights(self, block: int, registrations: Mapping[str, int]) -> dict[str, float]:
        """Compute the weights from all verdicts so far."""
        return weights(self.queue.past(block - MAX_AGE_BLOCKS), block, registrations)


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
