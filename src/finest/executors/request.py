"""The allocation for a run on a cluster: the number of tasks and the resources of each."""

from __future__ import annotations

from dataclasses import dataclass

MEMORY_PER_CPU_GB = 2.0
"""DataTrove's default; a worker uses 0.5 to 1 GB."""


@dataclass(frozen=True, slots=True)
class Allotment:
    """The allocation to submit, which a node of its partition can provide."""

    partition: str
    tasks: int
    cpus_per_task: int
    memory_per_cpu_mb: int
    time: str | None
    qos: str | None
    sbatch: tuple[tuple[str, str], ...]

    def options(self) -> list[str]:
        """Return the allocation as options of sbatch."""
        asked = {
            "partition": self.partition, "cpus-per-task": str(self.cpus_per_task),
            "mem-per-cpu": f"{self.memory_per_cpu_mb}M", "time": self.time, "qos": self.qos, **dict(self.sbatch),
        }  # fmt: skip
        return [f"--{name}={value}" if value else f"--{name}" for name, value in asked.items() if value is not None]
