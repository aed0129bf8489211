"""The simulated month, block by block."""

from __future__ import annotations

import heapq
import random
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench.subnet import earlier
from bench.subnet.chain import Seats
from bench.subnet.miners import Job, Miner, miners_of, new_hotkey
from bench.subnet.outcomes import HONEST, audit
from bench.subnet.panel import Panel
from bench.subnet.product import Clock, Judge, TaskServer, simulated_time, unread
from bench.subnet.settings import DAY, LEASED_WARCS, REFINE_CPU_S, TEMPO, VERDICT_CPU_S, Setting
from bench.subnet.task import Committed
from finest.tasks.models import Task

RENEW_BLOCKS = 1700
"""Blocks between two renewals: a little less than the product's lease."""
CRAWL = "CC-MAIN-2026-{:02}"
FRIENDS = "copier"
"""The miners whom colluding validators pay."""
HONEST_WORK = ("honest small", "honest large", "many hotkeys")
MEMORY = Path("/dev/shm")
"""Linux's memory as a folder: there SQLite's commits need not wait for a disk."""


@dataclass(slots=True)
class Result:
    """What one simulated month gave."""

    pay: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Emission of the miners' half by strategy, as a share."""
    pay_earlier: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    work: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Honest work by strategy: WARCs refined as the recipe says."""
    hotkeys: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    dividends: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    stake: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    verdicts: dict[str, int] = field(default_factory=dict)
    """Verdicts of one validator, by kind."""
    coverage: list[float] = field(default_factory=list)
    """Share of the WARCs so far that a good, standing dataset covers, by day."""
    quality: list[float] = field(default_factory=list)
    """Mean score of a WARC that was judged, by day."""
    hours_to_verdict: list[float] = field(default_factory=list)
    epochs_without_pay: int = 0
    epochs: int = 0
    refined_warcs: float = 0.0
    paid_warcs: float = 0.0
    validators: dict[str, int] = field(default_factory=dict)

    @property
    def validator_cost(self) -> float:
        """CPU time of all validators divided by that of all miners."""
        spent = sum(self.verdicts.get(kind, 0) * number for kind, number in self.validators.items()) * VERDICT_CPU_S
        return spent / max(1.0, self.refined_warcs * REFINE_CPU_S)


class Month:
    """One simulated subnet and its clock."""

    def __init__(self, setting: Setting, seed: int, folder: Path) -> None:
        self.setting, self.random = setting, random.Random(seed)
        self.server = TaskServer(folder)
        self.miners = miners_of(setting, self.random)
        self.seats = Seats.make(setting, [miner.hotkey for miner in self.miners], self.random)
        tasks = sum(miner.tasks_a_day for miner in self.miners)
        self.names = self._names()
        kinds = dict(zip(self.names, self.seats.kinds, strict=True))
        stakes = dict(zip(self.names, map(float, self.seats.stakes), strict=True))
        capacity = tasks / setting.load
        self.judges = {
            name: Judge.open(folder, name, capacity, seed, Panel(kinds, stakes, FRIENDS))
            for name in [name for name, kind in kinds.items() if kind == "honest"][: setting.groups]
        }
        self.clock = Clock()
        self._late: list[dict[str, float]] = []
        """The weights of the first judge at each time when weights were set."""
        self.result = Result(validators=dict(setting.validators))
        self.committed: list[Committed] = []
        self.verdicts: list[earlier.Verdict] = []
        self.covered: set[str] = set()
        self._events: list[tuple[int, int, str, tuple[object, ...]]] = []
        self._numbers = count()
        self._published: dict[int, int] = defaultdict(int)
        self._honest_warcs = self._daily_warcs() * setting.days

    def _names(self) -> list[str]:
        """Name the validators by kind and number."""
        numbers: dict[str, int] = defaultdict(int)
        names = []
        for kind in self.seats.kinds:
            names.append(f"{kind} {numbers[kind]}")
            numbers[kind] += 1
        return names

    def _daily_warcs(self) -> float:
        """The WARCs that honest miners can refine in a day."""
        honest = [miner for miner in self.miners if miner.strategy in HONEST_WORK]
        return sum(miner.tasks_a_day for miner in honest) * LEASED_WARCS

    def close(self) -> None:
        """Close the databases."""
        self.server.close()
        for judge in self.judges.values():
            judge.queue.close()

    def run(self) -> Result:
        """Simulate all days."""
        for miner in self.miners:
            self._at(self.random.randrange(1, round(DAY / miner.tasks_a_day)), "lease", miner)
        for tempo in range(self.setting.days * DAY // TEMPO):
            self._tempo(tempo, (tempo + 1) * TEMPO)
        return self._finished()

    # the world

    def _at(self, block: int, what: str, *args: object) -> None:
        heapq.heappush(self._events, (block, next(self._numbers), what, args))

    def _tempo(self, tempo: int, end: int) -> None:
        for number, (day, share) in enumerate(self.setting.supply):
            if tempo * TEMPO == day * DAY:
                self.server.add_crawl(CRAWL.format(number), round(share * self._honest_warcs))
        while self._events and self._events[0][0] < end:
            block, _, what, args = heapq.heappop(self._events)
            getattr(self, f"_{what}")(block, *args)
        self.clock.block = end
        self._judge(end)
        if end % self.setting.weigh_blocks == 0:
            self._weigh(end)
        self._pay(end)
        if end % DAY == 0:
            self._look(end)

    def _counts(self, block: int) -> bool:
        return block > self.setting.warm_up_days * DAY

    def _is_away(self, block: int) -> bool:
        first, back = self.setting.outage
        return first * DAY <= block < back * DAY

    # miners

    def _lease(self, block: int, miner: Miner) -> None:
        self._at(block + round(DAY / miner.tasks_a_day * self.random.uniform(0.9, 1.1)), "lease", miner)
        if self._is_away(block):
            return
        job = miner.job(self.random)
        task = self.server.lease(miner.hotkey, miner.operator, job.warcs, block, miner.open_task)
        if task is None or task.leased_block != block:
            return
        miner.open_task = task.id
        job = Job(len(task.warcs), job.delivery, job.work, job.finishes, job.wait_blocks, job.deleted_after)
        if job.finishes:
            self._at(block + job.blocks, "finish", miner, miner.hotkey, task, job)
        if not job.finishes or job.blocks > RENEW_BLOCKS:
            self._at(block + RENEW_BLOCKS, "renew", miner.hotkey, task, block + job.blocks if job.finishes else None)

    def _renew(self, block: int, hotkey: str, task: Task, until: int | None) -> None:
        if until is not None and block >= until:
            return
        if self._is_away(block) or self.server.renew(hotkey, task, block):
            self._at(block + RENEW_BLOCKS, "renew", hotkey, task, until)

    def _finish(self, block: int, miner: Miner, hotkey: str, task: Task, job: Job) -> None:
        if self._is_away(block) or self._published[block // TEMPO] >= self.setting.hub_publishes:
            self._at((block // TEMPO + 1) * TEMPO + self.random.randrange(TEMPO), "finish", miner, hotkey, task, job)
            return
        line = self.server.finish(hotkey, task, block)
        work = job.work * len(task.warcs)
        self.result.refined_warcs += work
        if self._counts(block):
            self.result.work[miner.strategy] += work
        if line is None:
            return
        self._published[block // TEMPO] += 1
        registered = self.seats.registrations().get(hotkey)
        if registered is None:
            return
        committed = Committed(hotkey, miner.strategy, line, block, registered, task, job)
        self.committed.append(committed)
        for judge in self.judges.values():
            judge.see(committed)
        found = audit(job.delivery, len(task.warcs), block - task.leased_block, 1800, self.random)
        self.verdicts.append(earlier.verdict(hotkey, block, block + TEMPO, found, len(task.warcs)))
        if job.delivery == HONEST:
            self.covered.update(task.warcs)
        if job.deleted_after is not None:
            self._at(block + job.deleted_after, "delete", committed)

    def _delete(self, _block: int, committed: Committed) -> None:
        self.covered.difference_update(committed.task.warcs)
        for judge in self.judges.values():
            judge.gone.add(committed.place)

    # validators

    def _judge(self, block: int) -> None:
        for judge in self.judges.values():
            for committed, found in judge.judge(block, TEMPO):
                if found.forged and committed.strategy == "re-registrant":
                    self._register_again(committed.hotkey, block)

            if not self._is_away(block):
                self.server.report(judge, block)

    def _register_again(self, hotkey: str, block: int) -> None:
        miner = next((miner for miner in self.miners if miner.hotkey == hotkey), None)
        if miner is not None:
            new_hotkey(miner)
            self.seats.replace(hotkey, miner.hotkey, block)

    def _weigh(self, block: int) -> None:
        for judge in self.judges.values():
            judge.look_again(block)
        registrations = self.seats.registrations()
        found = [judge.weights(block, registrations) for judge in self.judges.values()]
        self._late.append(found[0])
        shares_of = {
            "slow": self._late[max(0, len(self._late) - 1 - DAY // self.setting.weigh_blocks)],
            "lazy": unread(self.committed, block, registrations),
            "copier": self._revealed(),
            "colluding": {miner.hotkey: 1.0 for miner in self.miners if miner.strategy == FRIENDS},
        }
        for uid, kind in enumerate(self.seats.kinds):
            shares = found[uid % len(found)] if kind == "honest" else shares_of[kind]
            self.seats.set_weights(uid, shares, block)
        if not self._counts(block):
            return
        shares = earlier.weights(self.verdicts, block)
        whole, owners = sum(shares.values()), {miner.hotkey: miner.strategy for miner in self.miners}
        for hotkey, share in shares.items():
            if hotkey in owners:
                self.result.pay_earlier[owners[hotkey]] += share / whole

    def _revealed(self) -> dict[str, float]:
        """Return the newest consensus that commit-reveal shows; nothing before the first."""
        history, hidden = self.seats.history, self.setting.reveal_epochs
        return history[-1 - hidden] if len(history) > hidden else {}

    def _pay(self, block: int) -> None:
        outcome = self.seats.epoch(block)
        if not self._counts(block):
            return
        first = len(self.seats.kinds)
        owners = {miner.hotkey: miner.strategy for miner in self.miners}
        self.result.epochs += 1
        self.result.epochs_without_pay += not any(outcome.server_emission)
        for hotkey, rao in zip(self.seats.hotkeys, outcome.server_emission[first:], strict=True):
            self.result.pay[owners[hotkey]] += rao
        if any(outcome.server_emission):
            for kind, rao in zip(self.seats.kinds, outcome.validator_emission, strict=False):
                self.result.dividends[kind] += rao

    # figures

    def _look(self, block: int) -> None:
        first = f"/{CRAWL.format(0)}/"
        covered = sum(first in warc for warc in self.covered)
        self.result.coverage.append(covered / round(self.setting.supply[0][1] * self._honest_warcs))
        day = [one for judge in self.judges.values() for one in judge.totals if block - DAY < one[0] <= block]
        warcs = sum(one[2] for one in day)
        self.result.quality.append(sum(one[1] * one[2] for one in day) / warcs if warcs else 0.0)

    def _finished(self) -> Result:
        result = self.result
        for name in ("pay", "pay_earlier", "dividends"):
            values = getattr(result, name)
            whole = sum(values.values()) or 1.0
            setattr(result, name, {who: value / whole for who, value in values.items()})
        for kind, stake in zip(self.seats.kinds, self.seats.stakes, strict=True):
            result.stake[kind] += stake / sum(self.seats.stakes)
        for miner in self.miners:
            result.hotkeys[miner.strategy] += 1
        judged = [len(judge.totals) for judge in self.judges.values()]
        result.verdicts = dict.fromkeys(("honest", "slow"), round(sum(judged) / len(judged)))
        waited = sorted(blocks for judge in self.judges.values() for blocks in judge.waited)
        result.hours_to_verdict = [waited[int(len(waited) * part)] * 12 / 3600 for part in (0.5, 0.9, 0.99)]
        return result


def simulate(setting: Setting, seed: int) -> Result:
    """Simulate one subnet from a seed."""
    random.seed(seed)  # the validator's looks at paid datasets are shuffled by the global generator
    in_memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="finest-subnet-", dir=in_memory) as folder:
        month = Month(setting, seed, Path(folder))
        try:
            with simulated_time(month.clock):
                return month.run()
        finally:
            month.close()
