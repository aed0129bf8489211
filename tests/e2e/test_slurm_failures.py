"""`finest refine --executor slurm` where a task, a node or the controller fails: it is told, and no row is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from finest.cluster.commands import CommandRefused, slurm
from finest.cluster.jobs import accounts
from finest.cluster.layout import Folder
from tests.cluster.waiting import wait_for
from tests.e2e.command import finest, root, start
from tests.e2e.slurm_misdeeds import DIE, EAT, RAISE, SLEEP, Misdeeds
from tests.e2e.slurm_runs import (
    ON_SLURM,
    configured,
    handed_in,
    hear,
    host,
    jobs_in_queue,
    kill,
    reconfigure,
    restart,
    slices_done,
    submission,
)

pytestmark = [pytest.mark.usefixtures("slurm_cluster"), pytest.mark.nightly]


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        pytest.param(EAT, r"_1 used more memory than it had requested", id="over-memory"),
        pytest.param(
            RAISE, r"_1 failed with exit code 1 on node \S+ \(FAILED, exit code 1:0\)",
            id="raises",
        ),
        pytest.param(
            DIE, r"_1 was killed by SIGKILL on node \S+ \(FAILED, exit code 0:9\)",
            id="killed",
        ),
    ],
)  # fmt: skip
def test_a_failed_task_costs_its_share(
    deed: str, words: str, warcs: list[Path], local_root: str, tmp_path: Path, misdeeds: Misdeeds
) -> None:
    """It is told with its state in plain words, node and exit code; the other one does everything."""
    misdeeds.do(deed)
    out = tmp_path / "out"
    done = finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 2)
    assert re.search(words, done.stderr), done.stderr
    assert "the other tasks take over its slices" in done.stderr
    assert root(out) == local_root
    assert not list(out.glob("ledger/slurm/*/claims"))


def test_a_run_with_no_task_left_fails(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """Its first failure is told, with its log; nothing is left in the queue."""
    misdeeds.do(RAISE, task=0)
    out = tmp_path / "out"
    done = finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, check=False)
    assert done.returncode == 6
    assert f"{out}/ledger/slurm/" in done.stderr
    assert "run the same command again" in done.stderr
    assert "  | ZeroDivisionError: seven by nought" in done.stderr
    wait_for(lambda: not jobs_in_queue())


def test_a_run_that_a_server_refuses_may_be_tried_later(
    warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds
) -> None:  # fmt: skip
    """The exit status is that of a run on one machine."""
    misdeeds.do("from finest.errors import SourceBusy\nraise SourceBusy('refused for too long')", task=0)
    done = finest("refine", *warcs, "--out", tmp_path / "out", *ON_SLURM, "--total_tasks", 1, check=False)
    assert done.returncode == 75 and "refused for too long" in done.stderr


def test_a_worker_over_memory_is_no_page_s_fault(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """The kernel killed it for want of the job's memory: no page is counted as deadly, and the job ends at once."""
    misdeeds.do(f"import finest.pipeline.steps as s\ndef eat(*_):\n    {EAT}\ns.judge = eat", task=0)
    out = tmp_path / "out"
    done = finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, check=False)
    assert done.returncode == 6
    assert "used more memory than it had requested" in done.stderr
    assert "--mem-per-cpu" in done.stderr
    assert not list(out.glob("ledger/crashes/*"))


def test_a_task_over_time(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """Slurm ends it at its limit, and the run says which flag gives it longer."""
    misdeeds.do(SLEEP, task=0)
    out = tmp_path / "out"
    run = start("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, "--time", 1)
    wait_for(handed_in(out))
    task = f"{submission(out)['jobs']['slices']}_0"
    assert slurm("squeue", "-h", "-j", task, "-o", "%l").split() == ["1:00"]
    wait_for(lambda: slurm("squeue", "-h", "-j", task, "-o", "%T").split() == ["RUNNING"])
    slurm("scontrol", "update", f"jobid={task}", "EndTime=now")  # a minute is the shortest limit, and long for a test
    _, said = run.communicate(timeout=300)
    assert run.returncode == 6
    assert "ran into its time limit; request more time with --time" in said
    assert "(TIMEOUT" in said


def test_a_cancelled_task(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """Somebody else's scancel of a task that runs is told as such."""
    misdeeds.do(SLEEP, task=0)
    run = start("refine", *warcs, "--out", tmp_path / "out", *ON_SLURM, "--total_tasks", 1)
    wait_for(handed_in(tmp_path / "out"))
    wait_for(lambda: "R" in slurm("squeue", "-h", "-o", "%t").split())
    slurm("scancel", f"{submission(tmp_path / 'out')['jobs']['slices']}_0")
    _, said = run.communicate(timeout=300)
    assert run.returncode == 6
    assert "was cancelled" in said
    wait_for(lambda: not jobs_in_queue())


def test_a_detached_failure_is_told_later(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """Nobody watched; attach and status say how it ended. The job that makes the dataset refused to do it all."""
    misdeeds.do(RAISE, task=0)
    out = tmp_path / "out"
    finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, "--detach")
    wait_for(lambda: not jobs_in_queue())
    waited = submission(out)["jobs"]["dataset"]
    wait_for(lambda: [one.state for one in accounts([waited]) if one.step is None] == ["FAILED"])
    assert "failed" in finest("status", out).stdout
    done = finest("attach", out, check=False)
    assert done.returncode == 6
    assert "ZeroDivisionError: seven by nought" in done.stderr


class TestArraysOfTwo:
    """Tests of a cluster whose arrays have two tasks at most."""

    @pytest.fixture(scope="class", autouse=True)
    def arrays_of_two(self, one_slurm: Folder) -> Iterator[None]:
        finest("cluster", "up", "--yes", "--folder", one_slurm.path)
        with configured(one_slurm, "MaxArraySize=3", restart):  # only a new controller holds to it
            yield

    def test_more_tasks_than_an_array_may_have(self, warcs: list[Path], local_root: str, tmp_path: Path) -> None:
        """Five slices, five tasks asked for: no row is lost, and no arrays are chained."""
        finest("refine", *warcs, "--out", tmp_path / "out", *ON_SLURM, "--total_tasks", 5)
        assert root(tmp_path / "out") == local_root
        assert submission(tmp_path / "out")["allotment"]["tasks"] == 2
        assert len(submission(tmp_path / "out")["jobs"]) == 2

    def test_a_failure_above_the_limit_loses_no_row(
        self, warcs: list[Path], local_root: str, tmp_path: Path, misdeeds: Misdeeds
    ) -> None:
        """A reproduced loss: the first part failed, the last part ended well, and the rest of the chain ran on it."""
        misdeeds.do(RAISE, task=0)
        out = tmp_path / "out"
        finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 5)
        assert root(out) == local_root


def test_what_can_never_start(warcs: list[Path], tmp_path: Path) -> None:
    """Impossible requests are refused before they are handed in; those that only Slurm knows of, soon after."""
    asked = {
        ("--time", "1000-0"): "it would never start",
        ("--sbatch", "constraint=nosuch"): "nvalid feature",
    }
    for number, (flags, words) in enumerate(asked.items()):
        done = finest("refine", *warcs, "--out", tmp_path / str(number), "--executor", "slurm", *flags, check=False)
        assert (done.returncode, words in done.stderr) == (13, True), done.stderr
    wait_for(lambda: not jobs_in_queue())


def test_a_drained_node(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """The run says why nothing starts and what mends it, waits, and goes on when it is mended."""
    slurm("scontrol", "update", f"nodename={host()}", "state=DRAIN", "reason=new fan")
    run = start("refine", *warcs, "--out", tmp_path / "out", *ON_SLURM, "--total_tasks", 1)
    assert "new fan" in hear(run, "state=RESUME")
    slurm("scontrol", "update", f"nodename={host()}", "state=RESUME")
    run.communicate(timeout=300)
    assert run.returncode == 0
    assert root(tmp_path / "out") == local_root


def test_slurmd_killed(
    warcs: list[Path], local_root: str, tmp_path: Path, slurm_cluster: Folder, misdeeds: Misdeeds
) -> None:
    """The only node is lost with its tasks: Slurm starts them again when it is mended, and they do what is left."""
    misdeeds.do(SLEEP)
    out = tmp_path / "out"
    with configured(slurm_cluster, "SlurmdTimeout=10", reconfigure):
        run = start("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 2)
        wait_for(lambda: slices_done(out) >= 1)
        kill(slurm_cluster, "slurmd")
        hear(run, "Nothing runs: ")
    misdeeds.end()
    finest("cluster", "up", "--yes", "--folder", slurm_cluster.path)
    for job in submission(out)["jobs"].values():
        with suppress(CommandRefused):  # its process may have outlived slurmd, and finished
            slurm("scontrol", "update", f"jobid={job}", "StartTime=now")  # a lost task waits for two minutes
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert root(out) == local_root


def test_the_controller_is_away_for_a_while(
    warcs: list[Path], local_root: str, tmp_path: Path, slurm_cluster: Folder
) -> None:
    """Its jobs go on meanwhile, and so does the follower; nothing is cancelled for that."""
    out = tmp_path / "out"
    run = start("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, "--sbatch", "begin=now+5")
    wait_for(handed_in(out))
    restart(slurm_cluster)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert root(out) == local_root
