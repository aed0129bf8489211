"""A node dies in the middle of a run, with everything on it: the others finish, and no row is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finest.cluster.commands import slurm
from tests.cluster.two_nodes import TwoNodes
from tests.cluster.waiting import wait_for
from tests.deep import sampled
from tests.e2e.command import beginnings, finest, root, start
from tests.e2e.slurm_misdeeds import Misdeeds


@pytest.fixture(scope="module")
def warcs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four small slices."""
    return beginnings(tmp_path_factory.mktemp("crawl"), 4)


def node_of(task: str) -> str:
    return slurm("squeue", "-h", "-j", task, "-o", "%N").strip()


@pytest.mark.nightly  # every day a node is lost that makes the dataset, and on Ray one that judges slices
def test_slurm_loses_one_of_two_nodes(
    warcs: list[Path], local_root: str, tmp_path: Path, two_nodes: TwoNodes, misdeeds: Misdeeds
) -> None:
    """kill -9 of all that runs there: the other node judges its slices too, and the dataset is that of a local run.

    Whether the run also says so depends on who is first: Slurm, which notices that the node is gone, or the other task.
    """
    sign, out = tmp_path / "hangs", tmp_path / "out"
    misdeeds.hang_where("os.environ.get('SLURM_ARRAY_TASK_ID') == '1'", sign)
    run = start(
        "refine", *warcs, "--out", out, "--executor", "slurm", "--mem-per-cpu", 1, "--total_tasks", 2
    )  # fmt: skip
    wait_for(sign.exists)
    wait_for(lambda: bool(list(out.glob("ledger/inflight/*"))))
    (job,) = {line for line in slurm("squeue", "-h", "-r", "-o", "%F %j").splitlines() if line.endswith("-slices")}
    two_nodes.lose(node_of(f"{job.split()[0]}_1"))
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert root(out) == local_root


@pytest.fixture(scope="module")
def crawls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small WARCs of two crawls, each of which is a shard."""
    paths = beginnings(tmp_path_factory.mktemp("crawls"), 2)
    return [path.rename(path.with_name(f"CC-MAIN-2026-{30 + n}.warc.gz")) for n, path in enumerate(paths)]


@pytest.fixture(scope="module")
def root_of_crawls(crawls: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("local") / "dataset"
    finest("refine", *crawls, "--out", out, "--workers", 2)
    return root(out)


def shards_written(out: Path) -> int:
    return len(list(out.glob("ledger/assembly/*/shard.json")))


@pytest.mark.slow
def test_slurm_loses_a_node_that_makes_the_dataset(
    crawls: list[Path], root_of_crawls: str, tmp_path: Path, two_nodes: TwoNodes, misdeeds: Misdeeds
) -> None:
    """Both nodes write shards; the other one also writes that of the lost node."""
    sign, out = tmp_path / "hangs", tmp_path / "out"
    misdeeds.hang_at_shards("os.environ.get('SLURM_ARRAY_TASK_ID') == '1'", sign)
    run = start(
        "refine", *crawls, "--out", out, "--executor", "slurm", "--mem-per-cpu", 1, "--total_tasks", 2
    )  # fmt: skip
    wait_for(lambda: shards_written(out) == 1)
    (job,) = {line for line in slurm("squeue", "-h", "-r", "-o", "%F %j").splitlines() if line.endswith("-dataset")}
    two_nodes.lose(node_of(f"{job.split()[0]}_1"))
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert "Making the dataset" in said
    assert root(out) == root_of_crawls


@pytest.fixture(params=sampled(["slices", "shards"]))
def two_ray_nodes(
    request: pytest.FixtureRequest, misdeeds: Misdeeds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Any]]:
    """A Ray cluster of two nodes of one CPU, and its second node, where tasks hang; RAY_ADDRESS names it."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # a cluster of this kind does not make itself a token

    raylet = tmp_path / "raylet"
    is_there = f"os.environ.get('RAY_RAYLET_PID') == pathlib.Path({str(raylet)!r}).read_text()"
    hang = misdeeds.hang_where if request.param == "slices" else misdeeds.hang_at_shards
    hang(is_there, tmp_path / "hangs")  # before the cluster, since it starts Python on its nodes at once
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    raylet.write_text(str(second.all_processes["raylet"][0].process.pid))
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster, second
    cluster.shutdown()


@pytest.mark.slow
def test_ray_loses_one_of_two_nodes(
    request: pytest.FixtureRequest, crawls: list[Path], root_of_crawls: str, tmp_path: Path,
    two_ray_nodes: tuple[Any, Any],
) -> None:  # fmt: skip
    """The same on Ray, which starts the lost task again: a node is lost that judges slices, or that writes a shard."""
    cluster, second = two_ray_nodes
    sign, out = tmp_path / "hangs", tmp_path / "out"
    run = start(
        "refine", *crawls, "--out", out, "--executor", "ray", "--mem-per-cpu", 1, "--total_tasks", 2
    )  # fmt: skip
    wait_for(sign.exists)
    wait_for(lambda: bool(list(out.glob("ledger/inflight/*"))) or shards_written(out) == 1)
    cluster.remove_node(second, allow_graceful=False)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert "Making the dataset in 2 tasks" in said
    assert root(out) == root_of_crawls
