"""Whatever miners do in whatever order, and however blocks pass: no WARC is claimed too often, and the sums agree."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from finest.tasks.models import Rules, Task, TaskState
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from tests import prepared
from tests.tasks.samples import CRAWL, paths, published
from tests.tasks.test_leases import check

MINERS = st.sampled_from(["5Alice", "5Bob", "5Carol"])
OLD = "CC-MAIN-2024-10"
BECOMES = {"renew": TaskState.LEASED, "finish": TaskState.FINISHED, "release": TaskState.RELEASED}


class Leasing(RuleBasedStateMachine):
    """Three miners, two crawls, short leases."""

    @initialize(redundancy=st.integers(1, 2), open_leases=st.integers(1, 2))
    def begin(self, redundancy: int, open_leases: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.rules = Rules(
            redundancy=redundancy, open_leases=open_leases, lease_blocks=5, window_blocks=12, tasks_per_window=4
        )
        self.store = Store.open(prepared.sqlite("tasks", Path(self.folder.name) / "tasks.db"), self.rules)
        self.store.add_warcs(CRAWL, paths(7))
        self.store.add_warcs(OLD, paths(3, OLD))
        self.block, self.tasks, self.finished = 100, [], 0
        self.refusals: list[Problem] = []

    @rule(miner=MINERS, warcs=st.integers(1, 4), again=st.booleans())
    def lease(self, miner: str, warcs: int, again: bool) -> None:
        mine = [task.id for task in self.tasks if task.hotkey == miner]
        try:
            task = self.store.lease(miner, warcs, self.block, besides=mine[-1] if again and mine else None)
        except Problem as problem:
            self.refusals.append(problem)
            return
        assert task.state == TaskState.LEASED and task.expires_block >= self.block
        assert len(set(task.warcs)) == len(task.warcs) and len({path.split("/")[1] for path in task.warcs}) == 1
        if task.id not in mine:
            self.tasks.append(task)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), act=st.sampled_from(["renew", "finish", "release"]))
    def change(self, data: st.DataObject, act: str) -> None:
        task = data.draw(st.sampled_from(self.tasks))
        before = self.store.task(task.id, self.block).state
        if before == TaskState.LEASED:
            assert self._do(act, task).state == BECOMES[act]
            return
        with suppress(Problem):
            self._do(act, task)
        assert self.store.task(task.id, self.block).state == before

    def _do(self, act: str, task: Task) -> Task:
        if act == "renew":
            return self.store.renew(task.hotkey, task.id, self.block)
        if act == "release":
            return self.store.release(task.hotkey, task.id, self.block)
        self.finished += 1
        return self.store.finish(task.hotkey, task.id, **published(self.finished), block=self.block)

    @rule(blocks=st.integers(1, 7))
    def pass_blocks(self, blocks: int) -> None:
        self.block += blocks

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "store"):
            check(self.store)
            assert {problem.name for problem in self.refusals} <= {"no-work", "window-full", "too-many-leases"}
            waits = [problem.retry_after_blocks for problem in self.refusals if problem.name == "window-full"]
            assert all(wait is not None and 0 < wait <= 12 for wait in waits)
            for crawl in self.store.statistics(self.block).crawls:
                assert crawl.warcs == crawl.open + crawl.leased + crawl.finished
                assert min(crawl.open, crawl.leased, crawl.finished) >= 0
            for miner in {task.hotkey for task in self.tasks}:
                page = self.store.tasks(self.block, state=TaskState.LEASED, hotkey=miner)
                assert len(page.tasks) <= self.rules.open_leases

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestLeasing = Leasing.TestCase
TestLeasing.__doc__ = __doc__
TestLeasing.settings = settings(max_examples=10, stateful_step_count=20)
