"""`finest refine --executor ray` on a Ray of one machine."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from finest.cluster.daemons import began
from tests.cluster.waiting import wait_for
from tests.e2e.command import beginnings, finest, root, start
from tests.e2e.slurm_misdeeds import DIE, RAISE, SLEEP, Misdeeds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed"),
    pytest.mark.nightly,  # every day test_lost_nodes.py runs on Ray, loses a node, and compares with the local run
]
ON_RAY = ("--executor", "ray", "--total_tasks", 2, "--mem-per-cpu", 1)


@pytest.fixture(autouse=True)
def _a_ray_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address, Ray joins whatever cluster runs on this machine, such as that of another test."""
    monkeypatch.setenv("RAY_ADDRESS", "local")


@pytest.fixture(scope="module")
def warcs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three small slices."""
    return beginnings(tmp_path_factory.mktemp("crawl"), 3)


def test_ray_gives_what_the_local_run_gives(warcs: list[Path], local_root: str, tmp_path: Path) -> None:
    """The same root from two tasks."""
    finest("refine", *warcs, "--out", tmp_path / "out", *ON_RAY)
    assert root(tmp_path / "out") == local_root


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        pytest.param(RAISE, "seven by nought; the other tasks take over its slices", id="raises"),
        pytest.param(DIE, "100%", id="killed"),
    ],
)
def test_a_failed_task_costs_its_share(
    deed: str, words: str, warcs: list[Path], local_root: str, tmp_path: Path, misdeeds: Misdeeds
) -> None:
    """Ray would only warn of the first, and DataTrove wait for the second for ever; the other task does everything."""
    misdeeds.do_on_ray(deed)
    done = finest("refine", *warcs, "--out", tmp_path / "out", *ON_RAY)
    assert words in done.stderr
    assert root(tmp_path / "out") == local_root


def test_a_run_with_no_task_left_fails(warcs: list[Path], local_root: str, tmp_path: Path, misdeeds: Misdeeds) -> None:
    """It says why, and a rerun does what is missing."""
    misdeeds.do_on_ray(RAISE, once=False)
    done = finest("refine", *warcs, "--out", tmp_path / "out", *ON_RAY, check=False)
    assert done.returncode == 6
    assert "ZeroDivisionError: seven by nought; finished slices are kept" in done.stderr
    misdeeds.end()
    finest("refine", *warcs, "--out", tmp_path / "out", *ON_RAY)
    assert root(tmp_path / "out") == local_root


def test_ctrl_c_leaves_nothing_at_work(warcs: list[Path], tmp_path: Path, misdeeds: Misdeeds) -> None:
    """Ray goes with its driver, and the tasks with Ray."""
    misdeeds.do_on_ray(f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n{SLEEP}")
    run = start("refine", *warcs, "--out", tmp_path / "out", *ON_RAY)
    wait_for((tmp_path / "pid").exists)
    wait_for(lambda: (tmp_path / "pid").read_text() != "")
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=300)
    assert run.returncode == 130
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not began(pid))
