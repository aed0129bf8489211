"""Processes share the tasks of several steps through a folder, whatever becomes of them: some are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from finest.errors import RunError
from finest.pipeline import shared_tasks
from finest.pipeline.progress import Progress
from finest.pipeline.shared_tasks import SharedTasks

NUMBERS = range(12)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"LOOK_S": 0.05, "LONGEST_PAUSE_S": 0.1, "BEAT_S": 0.1, "SILENT_S": 1.0}.items():
        monkeypatch.setattr(shared_tasks, name, seconds)


def steps(folder: Path, workers: int, do: Callable[[str, int], None], *, name: str = "") -> None:
    """What each process does: a step of one task, one of many, and a last one."""
    tasks = SharedTasks(
        workers, folder / f"logs-{name}", Progress(quiet=True), folder / "claims", (folder / "last").exists
    )  # fmt: skip

    def work(what: str, number: int) -> None:
        assert what == "first" or (folder / "first").exists(), "the steps are done one after the other"
        with (folder / "log").open("a") as file:
            file.write(f"{what} {number} {name}\n")
        do(what, number)
        (folder / (what if what in ("first", "last") else f"{what}-{number}")).touch()

    tasks.once("The first step", lambda: work("first", 0), (folder / "first").exists)
    tasks.run("Many tasks", NUMBERS, lambda n: work("many", n), lambda n: (folder / f"many-{n}").exists())
    assert all((folder / f"many-{n}").exists() for n in NUMBERS)
    tasks.once("The last step", lambda: work("last", 0), (folder / "last").exists)


def together(folder: Path, *deeds: Callable[[str, int], None], workers: int = 1) -> list[int]:
    """Run a process for each deed; return their exit codes."""
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=steps, args=(folder, workers, deed), kwargs={"name": str(number)})
        for number, deed in enumerate(deeds)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    return [process.exitcode for process in processes]  # type: ignore[misc]


def lines(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "log").read_text().splitlines()]


def nothing(_what: str, _number: int) -> None:
    time.sleep(0.03)


def killed(what: str, _number: int) -> None:
    if what == "many":
        os.kill(os.getpid(), signal.SIGKILL)


def broken(what: str, _number: int) -> None:
    if what == "many":
        raise RunError("a broken node")


@pytest.mark.parametrize("workers", [1, 2])
def test_each_task_is_done_once(tmp_path: Path, workers: int) -> None:
    """By any process; each has its share. A process may find at the end that the others have done the last step."""
    codes = together(tmp_path, nothing, nothing, workers=workers)
    assert 0 in codes and set(codes) <= {0, 1}
    done = lines(tmp_path)
    assert sorted(int(number) for what, number, _ in done if what == "many") == list(NUMBERS)
    assert {what: sum(one == what for one, _, _ in done) for what in ("first", "last")} == {"first": 1, "last": 1}
    assert {name for what, _, name in done if what == "many"} == {"0", "1"}


@pytest.mark.parametrize("deed", [killed, broken])
def test_a_lost_process_costs_what_it_had(tmp_path: Path, deed: Callable[[str, int], None]) -> None:
    """The other does that task again; one that has failed gives it back at once."""
    codes = together(tmp_path, deed, nothing)
    assert codes[0] != 0 and codes[1] == 0
    numbers = [number for what, number, _ in lines(tmp_path) if what == "many"]
    assert len(numbers) == len(NUMBERS) + 1 and len(set(numbers)) == len(NUMBERS)


def test_a_lost_process_in_a_step_of_one(tmp_path: Path) -> None:
    """The others wait for that step, and one of them does it."""

    def at_first(what: str, _number: int) -> None:
        if what == "first" and not (tmp_path / "dead").exists():
            (tmp_path / "dead").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    codes = together(tmp_path, at_first, at_first)
    assert sorted(codes) == [-signal.SIGKILL, 0]
    assert (tmp_path / "last").exists()


def test_a_slow_task_is_not_done_twice(tmp_path: Path) -> None:
    """It takes longer than SILENT_S, but its process shows that it is alive."""

    def slow(what: str, number: int) -> None:
        if what == "many" and number == 3:
            time.sleep(2.5)

    together(tmp_path, slow, slow)
    assert len([1 for what, number, _ in lines(tmp_path) if (what, number) == ("many", "3")]) == 1


def test_what_was_done_before_is_not_done_again(tmp_path: Path) -> None:
    """Files of an earlier run of the same steps; and a process that comes when all is done is told so."""
    for name in ("first", "many-0", "many-7"):
        (tmp_path / name).touch()
    assert together(tmp_path, nothing) == [0]
    assert sorted(int(number) for what, number, _ in lines(tmp_path) if what == "many") == [
        n for n in NUMBERS if n not in (0, 7)
    ]
    with pytest.raises(RunError, match="other tasks have made the dataset"):
        steps(tmp_path, 1, nothing)
