"""The flags that choose the executor, for every command that refines WARCs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from finest.executors.slurm.request import SlurmRequest
    from finest.pipeline.options import Answer, RayRequest

F = TypeVar("F", bound=Callable[..., Any])
_NAMES = ("executor", "partition", "total_tasks", "cpus_per_task", "time", "mem_per_cpu", "qos", "sbatch",
          "dataset_cpus", "dataset_mem", "dataset_time")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Where:
    """The executor of a run; all fields are None for this machine with its default number of workers."""

    slurm: SlurmRequest | None = None
    ray: RayRequest | None = None
    workers: int | None = None
    """Workers on this machine, from --total-tasks and --cpus-per-task; None if neither flag is given."""


_FLAGS = (
    click.option(
        "--executor", type=click.Choice(["local", "slurm", "ray"]), default="local", show_default=True,
        help="Engine that runs the workers.",
    ),
    click.option("--partition", metavar="NAME", help="Slurm: partition.  [default: the cluster's default]"),
    click.option(
        "--total-tasks", type=click.IntRange(min=1), metavar="N",
        help="Number of tasks, which share the work.  [default: as many as the partition runs at once; Ray: 1]",
    ),
    click.option(
        "--cpus-per-task", type=click.IntRange(min=1), metavar="C",
        help="Workers of each task; on this machine N x C workers run in all.  [default: 1]",
    ),
    click.option("--time", metavar="T", help="Slurm: time limit of a task, h:m:s.  [default: the partition's]"),
    click.option(
        "--mem-per-cpu", type=click.FloatRange(min=0.1), metavar="GB",
        help="Slurm, Ray: memory per CPU.  [default: 2]",
    ),
    click.option("--qos", metavar="Q", help="Slurm: quality of service."),
    click.option("--sbatch", multiple=True, metavar="KEY=VALUE", help="Slurm: another option of sbatch; repeatable."),
    click.option(
        "--dataset-cpus", type=click.IntRange(min=1), metavar="C",
        help="Slurm: CPUs of each task that makes the dataset.  [default: C]",
    ),
    click.option(
        "--dataset-mem", type=click.FloatRange(min=0.1), metavar="GB",
        help="Slurm: memory of such a task in all.  [default: what the run needs]",
    ),
    click.option("--dataset-time", metavar="T", help="Slurm: time limit of such a task.  [default: T]"),
)  # fmt: skip


def executor_options(command: F) -> F:
    """Add the executor's flags to a click command, whose function receives them as `where: Where`."""

    @wraps(command)
    def with_where(*args: Any, **kwargs: Any) -> Any:
        return command(*args, where=_where(**{name: kwargs.pop(name) for name in _NAMES}), **kwargs)

    for flag in reversed(_FLAGS):
        with_where = flag(with_where)
    return with_where  # type: ignore[return-value]


def _where(
    *, executor: str, total_tasks: int | None, cpus_per_task: int | None, partition: str | None, time: str | None,
    mem_per_cpu: float | None, qos: str | None, sbatch: tuple[str, ...],
    dataset_cpus: int | None, dataset_mem: float | None, dataset_time: str | None,
) -> Where:  # fmt: skip
    if executor != "slurm":
        given = {"--partition": partition, "--time": time, "--qos": qos, "--sbatch": sbatch or None,
                 "--dataset-cpus": dataset_cpus, "--dataset-mem": dataset_mem, "--dataset-time": dataset_time,
                 "--mem-per-cpu": mem_per_cpu if executor == "local" else None}  # fmt: skip
        if flag := next((flag for flag, value in given.items() if value is not None), None):
            raise click.UsageError(f"{flag} needs --executor slurm")
    if executor == "local":
        return Where(workers=(total_tasks or 1) * (cpus_per_task or 1) if total_tasks or cpus_per_task else None)
    from finest.executors.request import MEMORY_PER_CPU_GB
    from finest.executors.slurm.request import SlurmRequest, sbatch_options, seconds_of

    if executor == "ray":
        from finest.pipeline.options import RayRequest

        return Where(ray=RayRequest(total_tasks or 1, cpus_per_task or 1, mem_per_cpu or MEMORY_PER_CPU_GB))

    for limit in (time, dataset_time):
        if limit is not None:
            seconds_of(limit)
    return Where(
        slurm=SlurmRequest(
            partition=partition, total_tasks=total_tasks, cpus_per_task=cpus_per_task or 1, time=time,
            memory_per_cpu_gb=mem_per_cpu or MEMORY_PER_CPU_GB, qos=qos, sbatch=sbatch_options(sbatch),
            dataset_cpus=dataset_cpus, dataset_memory_gb=dataset_mem, dataset_time=dataset_time,
        ),
    )  # fmt: skip


def ask_on_interrupt() -> Callable[[int], Answer] | None:
    """Return the function that asks the user on Ctrl-C; None without a terminal, where Ctrl-C cancels the jobs."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(jobs: int) -> Answer:
        try:
            said = click.prompt(
                f"\nCancel the {jobs} jobs of this run? (y: cancel, n: keep following, detach: let them run, and exit)",
                default="n", type=click.Choice(["y", "n", "detach"]), err=True,
            )  # fmt: skip
        except click.Abort:
            return "cancel"  # a second Ctrl-C
        return {"y": "cancel", "n": "stay", "detach": "detach"}[said]  # type: ignore[return-value]

    return ask
