"""A node dies in the middle of a run, with everything on it: the others finish, and no row is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finest.cluster.commands import slurm
from tests.cluster.two_nodes import TwoNodes
from tests.cluster.waiting import wait_for
from tests.e2e.command import beginnings, root, start
from tests.e2e.slurm_misdeeds import Misdeeds

HANG = "import finest.pipeline.steps as s\npathlib.Path({sign!r}).touch()\ns.judge = lambda *_: time.sleep(600)"
"""From its first page on, the task does nothing more: it has slices in hand, and never finishes one."""


@pytest.fixture(scope="module")
def warcs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four small slices."""
    return beginnings(tmp_path_factory.mktemp("crawl"), 4)


def node_of(task: str) -> str:
    return slurm("squeue", "-h", "-j", task, "-o", "%N").strip()


def test_slurm_loses_one_of_two_nodes(
    warcs: list[Path], local_root: str, tmp_path: Path, two_nodes: TwoNodes, misdeeds: Misdeeds
) -> None:
    """kill -9 of all that runs there: the other node judges its slices too, and the dataset is that of a local run."""
    sign, out = tmp_path / "hangs", tmp_path / "out"
    misdeeds.do(HANG.format(sign=str(sign)))
    run = start(
        "refine", *warcs, "--out", out, "--executor", "slurm", "--mem-per-cpu", 1, "--total_tasks", 2
    )  # fmt: skip
    wait_for(sign.exists)
    wait_for(lambda: bool(list(out.glob("ledger/inflight/*"))))
    (job,) = {line for line in slurm("squeue", "-h", "-r", "-o", "%F %j").splitlines() if line.endswith("-slices")}
    two_nodes.lose(node_of(f"{job.split()[0]}_1"))
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert re.search(r"Task \d+_1 was lost with its node n\d; Slurm starts it again", said)
    assert root(out) == local_root
