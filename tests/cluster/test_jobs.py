"""The queue and the accounting, from lines that Slurm 22.05 wrote."""

from __future__ import annotations

import pytest

from finest.cluster.commands import slurm
from finest.cluster.jobs import AccountedJob, QueuedJob, accounts, parse_accounted, parse_queued, queue
from finest.cluster.layout import Folder
from tests.cluster.waiting import submit, wait_for

DRAINED = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
QUEUED = {
    "13120003|13120003_[2-3%2]|PENDING|JobArrayTaskLimit||n|a|b": QueuedJob(
        13120003, (2, 3), "PENDING", "JobArrayTaskLimit", "", "a|b", "n"
    ),
    "13120003|13120003_0|RUNNING|None|vm|n|(null)": QueuedJob(13120003, (0,), "RUNNING", "", "vm", "", "n"),
    f"31|31|PENDING|{DRAINED}\n ||n|x": QueuedJob(31, None, "PENDING", DRAINED, "", "x", "n"),
    "7|7_[0-2,5,8-12:2%3]|PENDING|Resources|||": QueuedJob(7, (0, 1, 2, 5, 8, 10, 12), "PENDING", "Resources", "", ""),
}  # fmt: skip
ACCOUNTED = {
    "13120002|COMPLETED|0:0|1||vm|wrap": AccountedJob(13120002, None, None, "COMPLETED", 0, 0, 1, None, "vm", "wrap"),
    "13120002.0|OUT_OF_MEMORY|0:125|1|808K|vm|j.sh": AccountedJob(
        13120002, None, "0", "OUT_OF_MEMORY", 0, 125, 1, 808 * 1024, "vm", "j.sh"
    ),
    "31_4.batch|CANCELLED|0:9|2|1.5G|vm|a|b": AccountedJob(
        31, (4,), "batch", "CANCELLED", 0, 9, 2, 3 << 29, "vm", "a|b"
    ),
    "31_[5-6]|PENDING|0:0|0||None assigned|x": AccountedJob(31, (5, 6), None, "PENDING", 0, 0, 0, None, "", "x"),
    "9|CANCELLED by 1000|0:0|3||vm|x": AccountedJob(9, None, None, "CANCELLED", 0, 0, 3, None, "vm", "x"),
    "9|FAILED|42:0|3||vm|x": AccountedJob(9, None, None, "FAILED", 42, 0, 3, None, "vm", "x"),
}


@pytest.mark.parametrize("line", QUEUED)
def test_a_line_of_the_queue(line: str) -> None:
    """A pending array is one line for many tasks; a comment may hold what separates the fields."""
    assert parse_queued(line.split("|", 6)) == QUEUED[line]


@pytest.mark.parametrize("line", ACCOUNTED)
def test_a_line_of_the_accounting(line: str) -> None:
    """The state is its first word; signals and exit codes are apart; a step is told from its job."""
    assert parse_accounted(line.split("|", 6)) == ACCOUNTED[line]


def test_an_array_goes_through_queue_and_accounting(slurm_cluster: Folder) -> None:
    """What waits, what runs and how it ended, of the real Slurm: two tasks, one of them fails."""
    job = submit("exit $SLURM_ARRAY_TASK_ID", "--array=0-1", "--comment=a|b", "--begin=now+1hour")
    other = submit("true", "--begin=now+1hour")
    (waiting,) = queue([job])
    assert (waiting.job, waiting.tasks, waiting.state, waiting.comment) == (job, (0, 1), "PENDING", "a|b")
    assert {one.job for one in queue()} >= {job, other}
    slurm("scontrol", "update", f"jobid={job}", "StartTime=now")
    wait_for(lambda: not queue([job]))
    ended = {(0,): ("COMPLETED", 0), (1,): ("FAILED", 1)}  # in the end: the database hears of it bit by bit
    wait_for(lambda: {one.tasks: (one.state, one.exit_code) for one in accounts([job]) if one.step is None} == ended)
    assert {one.step for one in accounts([job])} == {None, "batch"}
    assert {one.tasks: one.state for one in queue([job], ended=True)} == {(0,): "COMPLETED", (1,): "FAILED"}


def test_ids_that_slurm_never_saw_are_no_error(slurm_cluster: Folder) -> None:
    """`squeue -j` would fail; here nothing is found."""
    assert queue([1]) == []
    assert accounts([1]) == []
    assert accounts([]) == []
