"""The executor whose workers may die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datatrove.pipeline.base import PipelineStep

from finest.errors import LedgerError, RunError
from finest.executors.local import ForkedExecutor
from tests.cluster.waiting import wait_for
from tests.e2e.command import children


class Touch(PipelineStep):
    """Leaves a file for each rank, and does with some ranks what a test asks for."""

    type, name = "TEST", "touch"

    def __init__(self, folder: Path, misdeeds: dict[int, Any]) -> None:
        super().__init__()
        self.folder, self.misdeeds = folder, misdeeds

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        if rank in self.misdeeds:
            self.misdeeds[rank](self.folder)
        (self.folder / f"rank-{rank}").touch()
        return iter(())


def execute(tmp_path: Path, misdeeds: dict[int, Any], **hooks: Any) -> list[int]:
    """Run eight ranks in two workers; the ranks that were finished, in order of their number."""
    done: list[int] = []
    hooks = {"on_done": done.append, "on_tick": lambda: None, "on_death": lambda rank, code: None} | hooks
    ranks = iter(range(8))
    ForkedExecutor(
        [Touch(tmp_path, misdeeds)],
        lambda _: next(ranks, None),
        world_size=8,
        workers=2,
        logging_dir=tmp_path / "logs",
        **hooks,
    ).run()
    return sorted(done)


def die_once(folder: Path) -> None:
    if not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_every_rank_is_run_once(tmp_path: Path) -> None:
    """Eight ranks, two workers, eight answers."""
    assert execute(tmp_path, {}) == list(range(8))
    assert len(list(tmp_path.glob("rank-*"))) == 8


def test_a_rank_whose_worker_died_is_run_again(tmp_path: Path) -> None:
    """The parent hears of the death, with its signal, and the rank is finished by another worker."""
    deaths = []
    assert execute(tmp_path, {3: die_once}, on_death=lambda *death: deaths.append(death)) == list(range(8))
    assert deaths == [(3, -signal.SIGKILL)]


def test_on_death_can_end_the_run(tmp_path: Path) -> None:
    """What it raises is raised, and no worker is left."""

    def give_up(rank: int, code: int) -> None:
        raise RunError("enough")

    before = children(os.getpid())
    with pytest.raises(RunError, match="enough"):
        execute(tmp_path, {3: lambda folder: os.kill(os.getpid(), signal.SIGKILL)}, on_death=give_up)
    assert set(children(os.getpid())) <= set(before)


def test_errors_of_ours_come_through(tmp_path: Path) -> None:
    """A FinestError of a worker is raised in the parent as it was."""

    def refuse(folder: Path) -> None:
        raise LedgerError("no room at the inn")

    with pytest.raises(LedgerError, match="no room at the inn"):
        execute(tmp_path, {5: refuse})


def test_a_rank_that_raises_can_be_left_out(tmp_path: Path) -> None:
    """The other ranks are run all the same."""
    errors: dict[int, Exception] = {}

    def stumble(folder: Path) -> None:
        raise LedgerError("no room at the inn")

    assert execute(tmp_path, {2: stumble}, on_error=errors.__setitem__) == [0, 1, 3, 4, 5, 6, 7]
    assert str(errors[2]) == "no room at the inn"


def test_any_other_error_names_its_slice_and_log(tmp_path: Path) -> None:
    """A bug in a worker ends the run with its name; the traceback is in the worker's log."""

    def stumble(folder: Path) -> None:
        raise ZeroDivisionError("seven by nought")

    with pytest.raises(RunError, match="slice 2: ZeroDivisionError: seven by nought"):
        execute(tmp_path, {2: stumble})
    assert any("seven by nought" in log.read_text() for log in (tmp_path / "logs").rglob("*.log"))


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    """kill -9 of the parent leaves no worker behind."""
    parent = os.fork()
    if parent == 0:
        os.setsid()
        execute(tmp_path, {0: begin, 1: begin})
        os._exit(0)
    wait_for(lambda: len(list(tmp_path.glob("began-*"))) == 2)
    workers = [path.name.partition("-")[2] for path in tmp_path.glob("began-*")]
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    wait_for(lambda: not any(map(alive, workers)))


def begin(folder: Path) -> None:
    """Say so, and go on for long."""
    (folder / f"began-{os.getpid()}").touch()
    time.sleep(600)


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
