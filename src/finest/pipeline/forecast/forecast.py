"""Forecast the stages of a run from its bytes and a calibration on this machine.

What the calibration does not measure are constants, from real functions on 4,124 pages and on synthetic runs.
`finest status` shows the forecast beside the fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finest.dataset.shards import MAX_SHARD_BYTES
from finest.errors import RunError
from finest.pipeline.dedup.stages import plan as plan_dedup

if TYPE_CHECKING:
    from finest.pipeline.forecast.calibration import Calibration
    from finest.recipe.recipe import Recipe

WRITE_FACTOR = 1.1
"""CPU time of judging with the writing of slices and packs, as a multiple of that of reading and judging: 1.05 was
fitted to mix-00 and en-00, and too low by 4 to 5 % on five WARCs of other pages."""
RUN_CPU_S = 2.1
"""CPU seconds of a run beside its stages: starting the program, planning, the report."""
ROW_CPU_S, VERDICT_CPU_S = 124e-6, 3.6e-6
"""CPU seconds to write a row and a verdict of the dataset: rows of `fineweb` (those of `finest` take 138e-6), and the
verdicts of `bench.shards`."""
PUBLISH_CPU_S_PER_BYTE = 5.5e-9
ROW_BYTES, VERDICT_BYTES = 2450, 73
"""Bytes in the dataset: 2,300 (`fineweb`) to 2,650 (`finest`) of a row, and those of a page's verdict."""
LEDGER_ROW_BYTES, LEDGER_VERDICT_BYTES = 4200, 110
"""The same in the ledger, which is packed faster and less: a row with its MinHash signature of 900 bytes."""
RUN_MEMORY_BYTES, WORKER_MEMORY_BYTES = 200_000_000, 110_000_000
ASSEMBLY_MEMORY_BYTES, PUBLISH_MEMORY_BYTES = 300_000_000, 430_000_000
FILES_PER_SOURCE = 4
"""Files of a finished source in the ledger, at most."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a run."""

    name: str
    cpu_s: float
    read_bytes: int
    """Bytes read, over the network if the sources are remote."""
    write_bytes: int
    """Bytes written to disk, or sent to the Hub."""
    memory_bytes: int
    """Memory of all processes of the stage together."""
    files: int
    """Files that the stage leaves."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected cost of a run."""

    sources: int
    source_bytes: int
    pages: int
    rows: int
    dataset_bytes: int
    cores: int
    stages: tuple[Stage, ...]

    @property
    def cpu_s(self) -> float:
        return sum(stage.cpu_s for stage in self.stages)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds, if the sources are read as fast as they are judged."""
        return self.cpu_s / self.cores

    @property
    def disk_bytes(self) -> int:
        """Free bytes that the run needs: the ledger and the dataset are on the disk together."""
        return sum(stage.write_bytes for stage in self.stages if stage.name != "publish")

    @property
    def memory_bytes(self) -> int:
        return max(stage.memory_bytes for stage in self.stages)

    @property
    def files(self) -> int:
        return sum(stage.files for stage in self.stages)

    def price(self, per_core_hour: float) -> float:
        """Return the price of the core-hours at that rate, in its currency."""
        return self.cpu_s / 3600 * per_core_hour

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "sources": self.sources, "source_bytes": self.source_bytes, "pages": self.pages, "rows": self.rows,
            "dataset_bytes": self.dataset_bytes, "cores": self.cores, "cpu_s": self.cpu_s, "seconds": self.seconds,
            "disk_bytes": self.disk_bytes,
            "memory_bytes": self.memory_bytes, "files": self.files,
            "stages": [{name: getattr(stage, name) for name in Stage.__slots__} for stage in self.stages],
        }  # fmt: skip


def forecast(
    sources: int, source_bytes: int, recipe: Recipe, calibration: Calibration, *, cores: int, dedup_memory: int
) -> Forecast:
    """Forecast a run over so many sources of so many bytes together."""
    pages = round(source_bytes / calibration.page_bytes)
    rows = round(pages * calibration.kept_share)
    dataset_bytes = rows * ROW_BYTES + pages * VERDICT_BYTES
    shards = 2 + dataset_bytes // MAX_SHARD_BYTES
    processes = min(cores, max(sources, 1) * 30)
    judging = Stage(
        "judging", pages * calibration.page_cpu_s * WRITE_FACTOR + processes * calibration.start_cpu_s, source_bytes,
        rows * LEDGER_ROW_BYTES + pages * LEDGER_VERDICT_BYTES, RUN_MEMORY_BYTES + processes * WORKER_MEMORY_BYTES,
        FILES_PER_SOURCE * sources,
    )  # fmt: skip
    assembly = Stage(
        "assembly", rows * ROW_CPU_S + pages * VERDICT_CPU_S, dataset_bytes, dataset_bytes,
        min(cores, shards) * ASSEMBLY_MEMORY_BYTES, shards,
    )  # fmt: skip
    publish = Stage(
        "publish", dataset_bytes * PUBLISH_CPU_S_PER_BYTE, dataset_bytes, dataset_bytes, PUBLISH_MEMORY_BYTES, 0
    )
    run = Stage("starting", RUN_CPU_S, 0, 0, RUN_MEMORY_BYTES, 0)
    stages = (run, judging, _deduplication(rows, recipe, dedup_memory, cores), assembly, publish)
    return Forecast(sources, source_bytes, pages, rows, dataset_bytes, cores, stages)


def _deduplication(rows: int, recipe: Recipe, memory_bytes: int, cores: int) -> Stage:
    try:
        cost = plan_dedup(rows, recipe.dedup, memory_bytes)
    except RunError:  # the limits say how much memory it needs
        cost = plan_dedup(rows, recipe.dedup, 1 << 62)
    tasks = min(cores, cost.ranges * recipe.dedup.buckets)
    return Stage("deduplication", cost.cpu_s, cost.read_bytes, cost.write_bytes, tasks * cost.peak_bytes, 2)
