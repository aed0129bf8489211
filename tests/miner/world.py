"""A task server of a few lines, and steps that count: what the loop is tried with."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finest.dataset.packet import Packet
from finest.errors import TaskServerUnavailable
from finest.miner.journal import Committed, Finished, Journal, Published, Refined
from finest.miner.lease import Lease
from finest.miner.loop import Miner
from finest.miner.status_file import StatusFile
from finest.miner.steps import MineOptions
from finest.miner.stop import Stop
from finest.recipe.recipe import Recipe
from finest.tasks.models import Rules, Score, ServerInfo, Task, TaskState
from finest.tasks.problems import Problem
from finest.tasks.transport import Refused
from finest.warc.source import CommonCrawl

HOTKEY = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
ROOT, REVISION, REPO = "ab" * 32, "cd" * 20, "alice/rows"
WARC = "crawl-data/CC-MAIN-2025-26/segments/1.2/warc/CC-MAIN-20250612112840-20250612142840-{:05d}.warc.gz"
LINE = f"fd1:{REPO}@{REVISION}#{ROOT}"


def refused(name: Any, detail: str = "no", **more: Any) -> Refused:
    """The task server's no."""
    return Refused(name, Problem(name, detail, **more).details)


def task(id: str = "t1", **changes: Any) -> Task:
    """A task of one WARC, leased for a thousand blocks."""
    values: dict[str, Any] = {
        "id": id, "hotkey": HOTKEY, "state": TaskState.LEASED, "crawl": "CC-MAIN-2025-26", "warcs": [WARC.format(0)],
        "block": 10, "leased_block": 10, "expires_block": 1010,
    }  # fmt: skip
    return Task(**(values | changes))


def wait_for(true: Callable[[], object]) -> None:
    """Until it is true; fails after five minutes, which no busy machine needs."""
    end_s = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.01)


class TaskServerOf:
    """Gives `tasks` out, one at a time; `trouble` is raised by the next calls of a name, in order."""

    def __init__(self, *tasks: Task, block_time_s: float = 0.1) -> None:
        self.known = {one.id: one for one in tasks}
        self.waiting = list(tasks)
        self.packets: dict[str, Packet] = {}
        self.trouble: dict[str, list[Exception]] = {}
        self.calls: Counter[str] = Counter()
        self.block_time_s = block_time_s
        self.down = False
        self.lock = threading.Lock()

    def _call(self, name: str) -> None:
        with self.lock:
            self.calls[name] += 1
            if self.down:
                raise TaskServerUnavailable("the task server does not answer")
            if self.trouble.get(name):
                raise self.trouble[name].pop(0)

    def _set(self, task_id: str, **changes: Any) -> Task:
        if task_id not in self.known:
            raise refused("not-found")
        self.known[task_id] = self.known[task_id].model_copy(update=changes)
        return self.known[task_id]

    def info(self) -> ServerInfo:
        self._call("info")
        return ServerInfo(
            version="1", hotkey=HOTKEY, netuid=63, block=10, block_time_s=self.block_time_s, time_s=0.0, rules=Rules()
        )

    def lease(
        self, warcs: int, *, crawl: str | None = None, besides: str | None = None, recipes: Sequence[str] = ()
    ) -> Task:  # fmt: skip
        self._call("lease")
        open_ones = [one for one in self.known.values() if one.state is TaskState.LEASED and one not in self.waiting]
        for one in open_ones:
            if one.id != besides:
                return one
        if not self.waiting:
            raise refused("no-work", "every WARC is leased or finished", retry_after_s=0.05)
        return self.waiting.pop(0)

    def renew(self, task_id: str) -> Task:
        self._call("renew")
        now = self._set(task_id)
        if now.state in (TaskState.EXPIRED, TaskState.RELEASED):
            raise refused("lease-expired", "the lease ended at block 20")
        return now

    def release(self, task_id: str) -> Task:
        self._call("release")
        return self._set(task_id, state=TaskState.RELEASED)

    def packet(self, root: str) -> Packet:
        self._call("packet")
        return self.packets[root]

    def finish(self, task_id: str, repo: str, revision: str, root: str) -> Task:
        self._call("finish")
        if self.known[task_id].state is TaskState.EXPIRED:
            raise refused("lease-expired", "the lease ended at block 20")
        return self._set(task_id, state=TaskState.FINISHED, closed_block=99, commitment=LINE)

    def task(self, task_id: str) -> Task:
        self._call("task")
        return self._set(task_id)

    def tasks_of(self, hotkey: str, limit: int = 20) -> list[Task]:
        self._call("tasks_of")
        return list(self.known.values())

    def judge(self, task_id: str, verdict: Any = "pass") -> None:
        """A validator speaks."""
        self._set(task_id, scores=[Score(validator="5V", verdict=verdict, score=0.5, block=100)])


class CountedSteps:
    """Steps that make what they would make, and count; `trouble` is raised by the next calls of a step, in order."""

    def __init__(self, server: TaskServerOf) -> None:
        self.server = server
        self.calls: Counter[str] = Counter()
        self.trouble: dict[str, list[BaseException]] = {}
        self.on_step: Any = lambda name, journal, lease: None

    def _call(self, name: str, journal: Journal, lease: Lease) -> None:
        self.calls[name] += 1
        if self.trouble.get(name):
            raise self.trouble[name].pop(0)
        self.on_step(name, journal, lease)

    def refined(self, journal: Journal, lease: Lease) -> Refined:
        self._call("refined", journal, lease)
        journal.dataset.mkdir(exist_ok=True)
        (journal.dataset / "rows").write_bytes(b"x" * 1000)
        return Refined(root=ROOT, rows=3, tokens=9, pages=5, size_bytes=1000)

    def published(self, journal: Journal, lease: Lease) -> Published:
        self._call("published", journal, lease)
        return Published(repo=REPO, revision=REVISION)

    def committed(self, journal: Journal, lease: Lease) -> Committed:
        self._call("committed", journal, lease)
        lease.renew()
        return Committed(line=LINE, block=50)

    def finished(self, journal: Journal, lease: Lease) -> Finished:
        self._call("finished", journal, lease)
        done = self.server.finish(journal.id, REPO, REVISION, ROOT)
        journal.update(task=done)
        return Finished(block=done.closed_block)

    def cancel_jobs(self, journal: Journal) -> None:
        """Nothing works anywhere else."""


class World:
    """A miner on all that, in `work`."""

    def __init__(self, work: Path, *tasks: Task, **options: Any) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.work = work
        self.server = TaskServerOf(*tasks)
        self.steps = CountedSteps(self.server)
        self.stop = Stop()
        self.said: list[str] = []
        self.options = MineOptions(
            **{
                "hf_repo": REPO, "work": work, "recipe": Recipe(name="test"), "cache": work, "netuid": 63,
                "common_crawl": CommonCrawl(), **options,
            }
        )  # fmt: skip

    def miner(self, **options: Any) -> Miner:
        """A new process, so to say."""
        from dataclasses import replace

        miner = Miner(
            replace(self.options, **options), HOTKEY, self.server, self.steps, self.stop, StatusFile(self.work, 1),
            self.said.append,
        )  # fmt: skip
        miner._check_free_space = lambda journal: None  # type: ignore[method-assign]  # no WARC is really there
        return miner

    def journal(self, id: str = "t1") -> Journal:
        found = Journal.read(self.work / "tasks" / id)
        assert found is not None
        return found
