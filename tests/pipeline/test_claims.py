"""Tasks share slices through a folder, whatever becomes of them: real processes, some of them killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from finest.pipeline import claims as claiming
from finest.pipeline.claims import WAITING, Claims
from finest.pipeline.queue import Queue, cut

SLICES = 60
FEW_TWICE = SLICES * 1.5
"""Most judgements in all if tasks share; without it, each task makes 60. A few slices are judged twice by design: a
task that the machine holds up between two looks takes for free what another has just begun."""
MAX_TAKES = 2
BLOCKS = cut([range(SLICES)], range(0, SLICES + 1, 10), 3)


class Ledger:
    """Files of finished slices, and a line for each time that one was judged."""

    def __init__(self, folder: Path, slices: int = SLICES) -> None:
        self.folder, self.slices = folder, slices
        (folder / "done").mkdir(parents=True, exist_ok=True)

    def missing(self) -> Collection[int]:
        return set(range(self.slices)) - {int(path.name) for path in (self.folder / "done").iterdir()}

    def judge(self, rank: int) -> None:
        with (self.folder / "judged").open("a") as file:
            file.write(f"{rank}\n")
        (self.folder / "done" / str(rank)).touch()

    def judged(self) -> Counter[int]:
        return Counter(int(line) for line in (self.folder / "judged").read_text().split())


def claims(ledger: Ledger, task: int, tasks: int) -> Claims:
    return Claims(ledger.folder / "claims", BLOCKS, task, tasks, ledger.missing)


def work(ledger: Ledger, task: int, tasks: int, judge: Callable[[int], None]) -> None:
    """Do what a task does, with one worker."""
    mine = claims(ledger, task, tasks)
    while True:
        queue = Queue(BLOCKS, mine.take, mine.is_taken)
        while (rank := queue.next(0)) is not None:
            judge(rank)
            mine.finished(rank, 0.01)
        if not mine.wait(lambda: None):
            return


def run(ledger: Ledger, *judges: Callable[[int], None]) -> list[int]:
    """Run a task for each judge, in processes; return their exit codes."""
    context = multiprocessing.get_context("fork")
    tasks = [context.Process(target=work, args=(ledger, i, len(judges), judge)) for i, judge in enumerate(judges)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join(300)
    return [task.exitcode if task.exitcode is not None else 99 for task in tasks]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "MIN_BACKUP_S", 0.3)
    monkeypatch.setattr(claiming, "LOOK_S", 0.05)
    monkeypatch.setattr(claiming, "MAX_TAKES", MAX_TAKES)


def test_tasks_share_the_slices(tmp_path: Path) -> None:
    """Three tasks of equal pace judge all, and few slices twice."""
    ledger = Ledger(tmp_path)

    def judge(rank: int) -> None:
        time.sleep(0.01)
        ledger.judge(rank)

    assert run(ledger, judge, judge, judge) == [0, 0, 0]
    assert ledger.missing() == set()
    assert ledger.judged().total() < FEW_TWICE


def test_a_killed_task_costs_only_what_it_had_in_hand(tmp_path: Path) -> None:
    """kill -9 in the middle of a block: the others finish that block too."""
    ledger = Ledger(tmp_path)
    seen: list[int] = []

    def die_at_the_third(rank: int) -> None:
        seen.append(rank)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        ledger.judge(rank)

    def judge(rank: int) -> None:
        time.sleep(0.01)
        ledger.judge(rank)

    assert run(ledger, die_at_the_third, judge, judge) == [-signal.SIGKILL, 0, 0]
    assert ledger.missing() == set()
    assert ledger.judged().total() < FEW_TWICE


def test_a_hanging_task_holds_up_nothing(tmp_path: Path) -> None:
    """It hangs with a block in hand, as on a file system that does not answer: all is finished without it."""
    ledger = Ledger(tmp_path)
    context = multiprocessing.get_context("fork")
    hanging = context.Process(target=work, args=(ledger, 0, 2, lambda _: time.sleep(600)))
    hanging.start()
    while not list(tmp_path.glob("claims/blocks/*/*")):
        time.sleep(0.01)
    work(ledger, 1, 2, ledger.judge)
    hanging.kill()
    hanging.join()
    assert ledger.judged() == Counter(range(SLICES))


def test_a_slow_task_gets_less(tmp_path: Path) -> None:
    """Its share is taken over from its end while it works; few slices are judged twice."""
    ledger = Ledger(tmp_path)
    mine: list[int] = []

    def slow(rank: int) -> None:
        time.sleep(0.2)
        mine.append(rank)
        ledger.judge(rank)
        (tmp_path / "slow").write_text(str(len(mine)))

    assert run(ledger, slow, ledger.judge) == [0, 0]
    assert ledger.missing() == set()
    assert int((tmp_path / "slow").read_text()) < SLICES / 2
    assert ledger.judged().total() < FEW_TWICE


def test_a_slice_that_no_task_can_finish_is_given_up(tmp_path: Path) -> None:
    """It is taken a bounded number of times, and everything else is finished."""
    ledger = Ledger(tmp_path)

    def judge(rank: int) -> None:
        with (tmp_path / "tries").open("a") as file:
            file.write(f"{rank}\n")
        if rank != 17:
            ledger.judge(rank)

    run(ledger, judge, judge)
    assert ledger.missing() == {17}
    assert (tmp_path / "tries").read_text().split().count("17") <= 1 + MAX_TAKES


def test_a_task_leaves_what_it_failed_at_to_others(tmp_path: Path) -> None:
    """It does not try again itself, and does not wait for others to do so."""
    ledger = Ledger(tmp_path)
    alone = claims(ledger, 0, 2)
    ranks = [rank for _ in BLOCKS for rank in alone.take() or ()]
    assert sorted(ranks) == list(range(SLICES))
    for rank in ranks:
        assert not alone.is_taken(rank)
        alone.failed(rank)
    assert not alone.wait(lambda: None)
    assert alone.is_failed_missing()
    other = claims(ledger, 1, 2)
    assert other.take() is not None


def test_only_some_tasks_wait_for_the_last_slices(tmp_path: Path) -> None:
    """The others end, so that their nodes are free."""
    ledger = Ledger(tmp_path)
    holder = claims(ledger, 0, 2)
    for _ in BLOCKS:
        holder.take()
    for rank in range(SLICES - 1):
        ledger.judge(rank)
    (tmp_path / "claims" / "slices").mkdir(exist_ok=True)
    for place in range(WAITING):
        (tmp_path / "claims" / "waiting").mkdir(exist_ok=True)
        (tmp_path / "claims" / "waiting" / str(place)).touch()
    assert not claims(ledger, 1, 2).wait(lambda: None)


def test_a_claim_costs_one_file_of_a_block(tmp_path: Path) -> None:
    """Two tasks take everything: as many files as blocks, none per slice."""
    ledger = Ledger(tmp_path)
    one, two = claims(ledger, 0, 2), claims(ledger, 1, 2)
    for mine in (one, two):
        mine.take()
    taken = [block for _ in range(len(BLOCKS)) if (block := one.take())]
    assert len(taken) >= len(BLOCKS) - 2
    assert len(list(tmp_path.glob("claims/blocks/*/*"))) == len(BLOCKS)
