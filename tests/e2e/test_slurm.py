"""`finest refine --executor slurm` on a real Slurm: it gives what the local run gives, and no failure passes unseen."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from finest.cluster.commands import CommandRefused, cluster_at, slurm
from finest.cluster.daemons import began
from finest.cluster.jobs import accounts
from finest.cluster.layout import Folder
from tests.cluster.waiting import submit, wait_for
from tests.e2e.command import beginnings, finest, root, start
from tests.e2e.slurm_misdeeds import DIE, EAT, RAISE, SLEEP, Misdeeds

pytestmark = pytest.mark.usefixtures("slurm_cluster")
ON_SLURM = ("--executor", "slurm", "--mem-per-cpu", 1)
LATER = ("--sbatch", "begin=now+1hour")


@pytest.fixture(scope="module")
def warcs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five small slices."""
    return beginnings(tmp_path_factory.mktemp("crawl"), 5)


def status(out: Path) -> Any:
    return json.loads(finest("status", out, "--json").stdout)


def jobs_in_queue() -> set[str]:
    """Jobs that wait, run or are being completed, which a busy node does for some seconds after they ended."""
    return set(slurm("squeue", "-h", "-o", "%F").split())


def submission(out: Path) -> Any:
    (path,) = out.glob("ledger/slurm/*/submission.json")
    return json.loads(path.read_bytes())


def slices_done(out: Path) -> int:
    return len(list(out.glob("ledger/packs/*/*")))


def handed_in(out: Path) -> Callable[[], bool]:
    return lambda: any("dataset" in json.loads(p.read_bytes())["jobs"] for p in out.glob("ledger/slurm/*/*.json"))


def hear(run: Popen[str], words: str) -> str:
    """What it says, up to the line with these words."""
    assert run.stderr is not None
    said = ""
    while words not in said:
        said += run.stderr.readline()
        assert run.poll() is None, said
    return said


def let_begin(out: Path) -> None:
    """Start the run's slices, which were told to begin in an hour; the dataset follows them."""
    for job in submission(out)["jobs"].values():
        slurm("scontrol", "update", f"jobid={job}", "StartTime=now")


def host() -> str:
    return os.uname().nodename.split(".")[0]


def kill(cluster: Folder, daemon: str, signal_: int = signal.SIGKILL) -> None:
    pid = int((cluster.run / f"{daemon}.process").read_text().split()[0])
    os.kill(pid, signal_)
    wait_for(lambda: not began(pid))


def restart(cluster: Folder) -> None:
    """The controller, as an administrator does: killed, it would forget its youngest jobs."""
    kill(cluster, "slurmctld", signal.SIGTERM)
    finest("cluster", "up", "--yes", "--folder", cluster.path)


def reconfigure(cluster: Folder) -> None:
    """Have the controller read its slurm.conf."""
    with cluster_at(cluster.conf):
        slurm("scontrol", "reconfigure")


@contextmanager
def configured(cluster: Folder, line: str, apply: Callable[[Folder], None]) -> Iterator[None]:
    """Meanwhile slurm.conf says `line` instead of what it says of that key."""
    before = cluster.conf.read_text()
    key = line.partition("=")[0]
    kept = [old for old in before.splitlines() if not old.startswith(f"{key}=")]
    cluster.conf.write_text("\n".join([*kept, line, ""]))
    apply(cluster)
    try:
        yield
    finally:
        cluster.conf.write_text(before)
        apply(cluster)


ODD = "o %j%x'q\"$HOME#;\nl\u00e9 -"
"""A folder's name of everything that shells, Slurm's patterns and other people's scripts trip over."""
BANNER = """#!/bin/sh
echo "2024-07-07 03:08 quota ok"; echo 42; echo "note" >&2
for one; do shift; [ "$one" = --parsable ] || set -- "$@" "$one"; done
"""
"""A site's sbatch: a banner that begins with a date, a number alone, and it drops `--parsable`."""


def test_slurm_gives_what_the_local_run_gives(
    warcs: list[Path], local_root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain that succeeds: the same root, whatever the tasks, the folder's name and what the site's sbatch says.

    Every slice was one task's; nothing is left behind.
    """
    real = shutil.which("sbatch")
    (tmp_path / "sbatch").write_text(f'{BANNER}exec {real} "$@"\n')
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    out = tmp_path / ODD
    done = finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 2, "--cpus_per_task", 1)
    assert root(out) == local_root
    assert "partition main" in done.stderr
    assert "100%" in done.stderr
    wait_for(lambda: not jobs_in_queue())
    assert status(out)["state"] == "finished"
    assert "already finished" in finest("refine", *warcs, "--out", out, *ON_SLURM).stderr
    assert "already finished" in finest("attach", out).stderr


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        pytest.param(EAT, r"_1 used more memory than it had requested", id="over-memory", marks=pytest.mark.nightly),
        pytest.param(
            RAISE, r"_1 failed with exit code 1 on node \S+ \(FAILED, exit code 1:0\)",
            id="raises", marks=pytest.mark.nightly,
        ),
        pytest.param(
            DIE, r"_1 was killed by SIGKILL on node \S+ \(FAILED, exit code 0:9\)",
            id="killed", marks=pytest.mark.nightly,
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


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_a_run_that_a_server_refuses_may_be_tried_later(
    warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds
) -> None:  # fmt: skip
    """The exit status is that of a run on one machine."""
    misdeeds.do("from finest.errors import SourceBusy\nraise SourceBusy('refused for too long')", task=0)
    done = finest("refine", *warcs, "--out", tmp_path / "out", *ON_SLURM, "--total_tasks", 1, check=False)
    assert done.returncode == 75 and "refused for too long" in done.stderr


@pytest.mark.nightly
def test_a_worker_over_memory_is_no_page_s_fault(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """The kernel killed it for want of the job's memory: no page is counted as deadly, and the job ends at once."""
    misdeeds.do(f"import finest.pipeline.steps as s\ndef eat(*_):\n    {EAT}\ns.judge = eat", task=0)
    out = tmp_path / "out"
    done = finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, check=False)
    assert done.returncode == 6
    assert "used more memory than it had requested" in done.stderr
    assert "--mem-per-cpu" in done.stderr
    assert not list(out.glob("ledger/crashes/*"))


@pytest.mark.nightly
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


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_a_killed_submitter(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """kill -9 leaves the jobs at work; a local run keeps away; attach follows them to the same root."""
    out = tmp_path / "out"
    run = start("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, *LATER)
    wait_for(handed_in(out))
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert status(out)["state"] == "running"
    refused = finest("refine", *warcs, "--out", out, check=False)
    assert refused.returncode == 5
    assert f"finest attach {out}" in refused.stderr
    let_begin(out)
    followed = finest("attach", out)
    assert "Following job" in followed.stderr
    assert root(out) == local_root


@pytest.mark.nightly
def test_a_submitter_killed_before_it_wrote_the_ids(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """The jobs are found by the run's id in their comment; what was not handed in by then is handed in."""
    out = tmp_path / "out"
    finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, *LATER, "--detach")
    jobs = submission(out)["jobs"]
    slurm("scancel", str(jobs["dataset"]))
    (path,) = out.glob("ledger/slurm/*/submission.json")
    path.write_text(json.dumps({**submission(out), "jobs": {}}))
    run = start("attach", out)
    wait_for(handed_in(out))
    let_begin(out)
    run.communicate(timeout=300)
    assert run.returncode == 0
    assert submission(out)["jobs"]["slices"] == jobs["slices"]
    assert submission(out)["jobs"]["dataset"] != jobs["dataset"]
    assert root(out) == local_root


@pytest.mark.nightly
def test_detached_and_looked_at(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """--detach returns at once; status tells of the jobs; the same command again follows them."""
    out = tmp_path / "out"
    done = finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, *LATER, "--detach")
    assert f"finest attach {out}" in done.stderr
    jobs = submission(out)["jobs"]
    assert {str(job) for job in jobs.values()} <= set(re.findall(r"\d+", finest("status", out).stdout))
    again = start("refine", *warcs, "--out", out, *ON_SLURM)
    hear(again, "already running")
    let_begin(out)
    again.communicate(timeout=300)
    assert again.returncode == 0
    assert submission(out)["jobs"] == jobs
    assert root(out) == local_root


@pytest.mark.nightly
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


def test_ctrl_c_cancels_only_our_jobs(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """Another run's, and another user's jobs side by side are untouched."""
    misdeeds.do(SLEEP, task=0)
    out = tmp_path / "out"
    ours_too = submit("sleep 300", "--begin=now+1hour", "--job-name=finest-out")
    theirs = submit("sleep 300", "--begin=now+1hour", "--uid=nobody", "--chdir=/", "--job-name=finest-out")
    run = start("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1)
    wait_for(handed_in(out))
    own = {str(job) for job in submission(out)["jobs"].values()}
    assert own | {str(ours_too), str(theirs)} == jobs_in_queue()
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 130
    assert "Cancelled jobs" in said
    wait_for(lambda: not own & jobs_in_queue())
    assert jobs_in_queue() == {str(ours_too), str(theirs)}
    assert "cancelled" in finest("attach", out, check=False).stderr


@pytest.mark.nightly
def test_attach_cancel(warcs: list[Path], tmp_path: Path) -> None:
    """Jobs that nobody follows are cancelled by their ids; a rerun begins anew what was cancelled."""
    out = tmp_path / "out"
    finest("refine", *warcs, "--out", out, *ON_SLURM, *LATER, "--detach")
    other = submit("sleep 300", "--begin=now+1hour")
    jobs = submission(out)["jobs"]
    said = finest("attach", out, "--cancel").stderr
    assert all(str(job) in said for job in jobs.values())
    assert jobs_in_queue() == {str(other)}
    assert "the run has no jobs left" in finest("attach", out, "--cancel").stderr


class TestArraysOfTwo:
    """Tests of a cluster whose arrays have two tasks at most."""

    @pytest.fixture(scope="class", autouse=True)
    def arrays_of_two(self, one_slurm: Folder) -> Iterator[None]:
        finest("cluster", "up", "--yes", "--folder", one_slurm.path)
        with configured(one_slurm, "MaxArraySize=3", restart):  # only a new controller holds to it
            yield

    @pytest.mark.nightly
    def test_more_tasks_than_an_array_may_have(self, warcs: list[Path], local_root: str, tmp_path: Path) -> None:
        """Five slices, five tasks asked for: no row is lost, and no arrays are chained."""
        finest("refine", *warcs, "--out", tmp_path / "out", *ON_SLURM, "--total_tasks", 5)
        assert root(tmp_path / "out") == local_root
        assert submission(tmp_path / "out")["allotment"]["tasks"] == 2
        assert len(submission(tmp_path / "out")["jobs"]) == 2

    @pytest.mark.nightly
    def test_a_failure_above_the_limit_loses_no_row(
        self, warcs: list[Path], local_root: str, tmp_path: Path, misdeeds: Misdeeds
    ) -> None:
        """A reproduced loss: the first part failed, the last part ended well, and the rest of the chain ran on it."""
        misdeeds.do(RAISE, task=0)
        out = tmp_path / "out"
        finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 5)
        assert root(out) == local_root


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_a_drained_node(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """The run says why nothing starts and what mends it, waits, and goes on when it is mended."""
    slurm("scontrol", "update", f"nodename={host()}", "state=DRAIN", "reason=new fan")
    run = start("refine", *warcs, "--out", tmp_path / "out", *ON_SLURM, "--total_tasks", 1)
    assert "new fan" in hear(run, "state=RESUME")
    slurm("scontrol", "update", f"nodename={host()}", "state=RESUME")
    run.communicate(timeout=300)
    assert run.returncode == 0
    assert root(tmp_path / "out") == local_root


@pytest.mark.nightly
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


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_a_local_run_takes_over_what_slurm_left(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """Slices are slices: what one executor began, the other finishes."""
    out = tmp_path / "out"
    finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, *LATER, "--detach")
    finest("attach", out, "--cancel")
    finest("refine", *warcs, "--out", out, "--workers", 1)
    assert root(out) == local_root
