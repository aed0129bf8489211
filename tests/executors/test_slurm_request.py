"""What is asked of a cluster, and what it can give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finest.cluster.layout import Folder
from finest.cluster.nodes import config, nodes
from finest.errors import ClusterError, UsageError
from finest.executors.slurm.request import SlurmRequest, fit, fit_dataset, sbatch_options, seconds_of


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90", 5400), ("2:30", 150), ("1:30:00", 5400), ("1-12", 129600), ("1-12:30", 131400), ("0-0:0:7", 7)],
)
def test_slurms_ways_to_write_a_time(time: str, seconds: int) -> None:
    """man sbatch, --time: minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s."""
    assert seconds_of(time) == seconds


@pytest.mark.parametrize("time", ["", "2h", "1:2:3:4", "-5", "1-"])
def test_other_ways_are_refused(time: str) -> None:
    """A typo is said before anything is handed in."""
    with pytest.raises(UsageError, match="write minutes"):
        seconds_of(time)


def test_any_option_of_sbatch() -> None:
    """Underscores and leading dashes are as good; a value is not needed."""
    assert sbatch_options(["account=web", "--mail_type=END", "exclusive"]) == (
        ("account", "web"), ("mail-type", "END"), ("exclusive", ""),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "words"),
    [("array=0-9", "finest sets array itself"), ("comment=x", "itself"), ("mem_per_cpu=3G", "--mem-per-cpu"),
     ("a;b=c", "itself")],
)  # fmt: skip
def test_options_that_are_the_runs_own(option: str, words: str) -> None:
    """Whatever would break the run's hold on its jobs is refused, and what has a flag is named."""
    with pytest.raises(UsageError, match=words):
        sbatch_options([option])


def test_a_request_is_fitted_to_the_cluster(slurm_cluster: Folder) -> None:
    """The default partition, as many tasks as its nodes run at once, never more than slices."""
    (node,) = nodes()
    found = fit(SlurmRequest(memory_per_cpu_gb=0.5), parts=1000)
    assert (found.partition, found.tasks) == ("main", min(node.cpus, node.memory_mb // 512))
    assert fit(SlurmRequest(memory_per_cpu_gb=0.5), parts=1).tasks == 1
    many = fit(SlurmRequest(total_tasks=10**6, memory_per_cpu_gb=0.5), parts=10**6)
    assert many.tasks == config().max_array_size - 1
    assert "--mem-per-cpu=512M" in found.options()
    assert not [option for option in found.options() if option.startswith(("--time", "--qos"))]


def test_the_dataset_has_an_allocation_of_its_own(slurm_cluster: Folder) -> None:
    """What the run needs if that is more than a task has, or what is asked for; and its own time limit."""
    asked = SlurmRequest(memory_per_cpu_gb=0.5, time="1:00:00")
    needs = fit_dataset(asked, 1, lambda cpus: cpus * (1 << 30))
    assert (needs.tasks, needs.cpus_per_task, needs.memory_per_cpu_mb, needs.time) == (1, 1, 1024, "1:00:00")
    own = replace(asked, dataset_memory_gb=0.75, dataset_time="2:00:00")
    assert fit_dataset(replace(asked, total_tasks=4), 3, lambda _: 1).tasks == 3, "a shard is one task's"
    given = fit_dataset(own, 1, lambda cpus: cpus * (1 << 30))
    assert (given.memory_per_cpu_mb, given.time) == (768, "2:00:00")
    with pytest.raises(ClusterError, match=r"fits on no node .* --dataset-cpus, --dataset-mem or --dedup-memory"):
        fit_dataset(asked, 1, lambda _: 1 << 50)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (SlurmRequest(partition="nosuch"), "no partition nosuch; it has: main"),
        (SlurmRequest(cpus_per_task=4096), "fits on no node"),
        (SlurmRequest(memory_per_cpu_gb=90_000), "fits on no node"),
        (SlurmRequest(time="1000-0"), "is more than partition main allows"),
    ],
    ids=["partition", "cpus", "memory", "time"],
)
def test_what_can_never_run_is_not_handed_in(request_: SlurmRequest, words: str, slurm_cluster: Folder) -> None:
    """Slurm takes some of these and lets them wait for ever."""
    with pytest.raises(ClusterError, match=words):
        fit(request_, parts=10)
