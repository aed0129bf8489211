"""What ends a task, and what ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.errors import TRY_LATER, JobFailed, RunError, SourceBusy, SourceError
from finest.pipeline.failures import (
    IN_A_ROW,
    MAX_RESTARTS,
    TaskError,
    TaskWatch,
    check_restarts,
    is_little,
    job_error,
    noting_error,
    read_errors,
    reason_to_stop,
)  # fmt: skip
from finest.pipeline.missing import slices_left
from finest.pipeline.ray import RayTasks

from .made_ledger import begin


def error(task: int, node: str, words: str = "slice 7: disk full") -> TaskError:
    return TaskError(task, node, words)


def test_one_broken_node_does_not_stop_a_run() -> None:
    """However many of its tasks fail, as long as most of the run's tasks are elsewhere."""
    assert reason_to_stop([error(task, "n1") for task in range(8)], failed=8, tasks=64) is None


def test_the_same_error_on_two_nodes_does() -> None:
    """It is not the node's fault then. Numbers may differ; other errors on other nodes do not count."""
    assert reason_to_stop([error(1, "n1"), error(2, "n2", "no such file")], failed=2, tasks=64) is None
    why = reason_to_stop([error(1, "n1"), error(2, "n2", "slice 8: disk full")], failed=2, tasks=64)
    assert why == "tasks on 2 nodes ended with the same error, the last on n2: slice 8: disk full"


def test_a_run_on_ray_without_a_task_left_says_why(tmp_path: Path) -> None:
    """However many failed at once, the first error is named; so it is if only most of the tasks failed."""
    for task in range(2):
        with pytest.raises(RunError), noting_error(tmp_path, task):
            raise RunError("seven by nought")
    words = r"task 0 on Ray failed on node \S+: seven by nought; finished slices are kept"
    for tasks in (2, 3):
        with pytest.raises(JobFailed, match=words):
            RayTasks(tmp_path, tasks, "slices", lambda _: None).check()


def test_most_tasks_lost_does() -> None:
    """Killed tasks leave no error."""
    assert reason_to_stop([], failed=32, tasks=64) is None
    assert reason_to_stop([], failed=33, tasks=64) == "33 of its 64 tasks failed"
    assert reason_to_stop([], failed=1, tasks=2) is None


def test_the_error_of_a_task_is_kept_with_its_node(tmp_path: Path) -> None:
    """Also one that is not ours, and it is raised all the same."""
    with pytest.raises(ZeroDivisionError), noting_error(tmp_path, 3):
        raise ZeroDivisionError("seven by nought")
    with pytest.raises(RunError), noting_error(tmp_path, 1):
        raise RunError("disk full")
    assert [(found.task, found.words) for found in read_errors(tmp_path)] == [
        (1, "disk full"), (3, "ZeroDivisionError: seven by nought"),
    ]  # fmt: skip


def test_a_run_whose_tasks_were_all_refused_may_be_tried_later(tmp_path: Path) -> None:
    """One that failed for another reason, or without a word, is no such case."""
    for task, words in ((1, "503 for too long"), (2, "403 for too long")):
        with pytest.raises(SourceBusy), noting_error(tmp_path, task):
            raise SourceBusy(words)
    errors = read_errors(tmp_path)
    assert (type(job_error(errors, "n")), job_error(errors, "n").exit_code) == (SourceBusy, TRY_LATER)
    assert type(job_error([*errors, error(3, "n3")], "n")) is type(job_error([], "n")) is JobFailed


class Failed:
    """Claims that only hear of failures."""

    def __init__(self) -> None:
        self.ranks: list[int] = []

    def failed(self, rank: int) -> None:
        self.ranks.append(rank)


def test_a_task_ends_at_errors_in_a_row(tmp_path: Path) -> None:
    """A single slice that fails is left to others."""
    claims, said = Failed(), []
    watch = TaskWatch(begin(tmp_path / "out"), claims, said.append)  # type: ignore[arg-type]
    for rank in range(IN_A_ROW - 1):
        watch.failed(rank, RunError("disk full"))
    with pytest.raises(RunError, match="disk full"):
        watch.failed(9, RunError("disk full"))
    assert claims.ranks == [*range(IN_A_ROW - 1), 9]
    assert said[0] == "Slice 0 is left to other tasks: disk full"


def test_a_task_is_not_started_again_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm counts how often it lost the node."""
    check_restarts()
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(MAX_RESTARTS))
    check_restarts()
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(MAX_RESTARTS + 1))
    with pytest.raises(RunError, match="gives up"):
        check_restarts()


def test_what_is_little() -> None:
    """One task judges what is left of a crawl's slices only if it is a small part."""
    assert is_little(0, 0)
    assert is_little(5, 500)
    assert not is_little(1, 5)


def test_a_task_leaves_an_unreadable_source_to_the_next_run(tmp_path: Path) -> None:
    """No task reads its other slices; a server that is busy is no such source."""
    ledger, claims, said = begin(tmp_path / "out"), Failed(), []
    watch = TaskWatch(ledger, claims, said.append)  # type: ignore[arg-type]
    assert slices_left(ledger) == list(range(len(ledger.plan.slices)))
    watch.failed(0, SourceError("a.warc.gz: not found"))
    source = ledger.plan.slices[0].source_index
    assert ledger.missing().found() == {source: "a.warc.gz: not found"}
    assert {ledger.plan.slices[rank].source_index for rank in slices_left(ledger)} == {1}
    assert claims.ranks == [0] and said == ["The run goes on without a source: a.warc.gz: not found"]
    with pytest.raises(SourceBusy):
        watch.failed(len(ledger.plan.slices) - 1, SourceBusy("refuses"))
    ledger.sweep()
    assert slices_left(ledger) == list(range(len(ledger.plan.slices)))
