"""`finest refine --executor slurm` on a real Slurm: it gives what the local run gives, and is left and found again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from finest.cluster.commands import slurm
from tests.cluster.waiting import submit, wait_for
from tests.e2e.command import finest, root, start
from tests.e2e.slurm_misdeeds import SLEEP, Misdeeds
from tests.e2e.slurm_runs import LATER, ON_SLURM, handed_in, hear, jobs_in_queue, let_begin, status, submission

pytestmark = pytest.mark.usefixtures("slurm_cluster")
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


@pytest.mark.nightly
def test_a_local_run_takes_over_what_slurm_left(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """Slices are slices: what one executor began, the other finishes."""
    out = tmp_path / "out"
    finest("refine", *warcs, "--out", out, *ON_SLURM, "--total_tasks", 1, *LATER, "--detach")
    finest("attach", out, "--cancel")
    finest("refine", *warcs, "--out", out, "--workers", 1)
    assert root(out) == local_root
