"""Measure the deduplication of synthetic signatures: CPU, peak memory and disk of its stages.

    python -m bench.dedup --rows 200e6 --copies 0.3 --memory 1e9 --folder /tmp/bench-dedup

The signatures are computed where a stage reads them (5 ns a value), so that neither disk nor memory holds them. Of each
20 rows, the last ones have the signature of one earlier row each.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finest.pipeline.dedup.signatures import Hashes, Rows, RunSignatures
from finest.pipeline.dedup.stages import Stages, plan
from finest.pipeline.progress import Progress
from finest.pipeline.tasks import Tasks
from finest.recipe.recipe import DedupRules

GROUP = 20
PART_ROWS = 100_000
_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))


@dataclass(frozen=True)
class Computed:
    """The signatures of some rows of the run, computed from the numbers of the rows that they copy."""

    copied: NDArray[np.uint32]
    buckets: int = 14
    hashes: int = 8

    @property
    def total_rows(self) -> int:
        return len(self.copied)

    @property
    def signed(self) -> int:
        return len(self.copied)

    def rows(self) -> Rows:
        return np.arange(len(self.copied))

    def column(self, bucket: int, number: int) -> Hashes:
        values = self.copied.astype(np.uint64)
        values *= _FACTORS[0]
        values += np.uint64((bucket * 64 + number) * 0x2545F4914F6CDD1D % 2**64)
        for factor, shift in zip((*_FACTORS[1:], np.uint64(1)), (31, 29), strict=True):
            values ^= values >> np.uint64(shift)
            values *= factor
        return values >> np.uint64(3)


def write_copied(path: Path, rows: int, share: float) -> None:
    """Write for each row the number of the row whose signature it has."""
    with path.open("wb") as file:
        for start in range(0, rows, 1_000_000):
            numbers = np.arange(start, min(start + 1_000_000, rows), dtype=np.uint64)
            copies = numbers % np.uint64(GROUP) >= np.uint64(round(GROUP * (1 - share)))
            earlier = (numbers[copies] >> np.uint64(3)) * np.uint64(7) // np.uint64(GROUP) * np.uint64(GROUP)
            numbers[copies] = earlier
            numbers.astype(np.uint32).tofile(file)


def measure(rows: int, share: float, memory_bytes: int, workers: int, folder: Path) -> dict[str, float]:
    """Deduplicate, and return what it took."""
    folder.mkdir(parents=True)
    write_copied(folder / "copied.u32", rows, share)
    copied = np.memmap(folder / "copied.u32", np.uint32, "r")
    run = RunSignatures([Computed(copied[start : start + PART_ROWS]) for start in range(0, rows, PART_ROWS)])
    cost = plan(rows, DedupRules(), memory_bytes)
    print(cost)
    stages = Stages(run, cost, folder / "dedup")
    before, began = time.process_time(), time.monotonic()
    stages.run(Tasks(workers, folder / "logs", Progress()))
    children, own = (resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    survivor = np.load(stages.survivors_path, mmap_mode="r")
    kept = sum(
        int((survivor[a : a + 10**6] == np.arange(a, min(a + 10**6, rows))).sum()) for a in range(0, rows, 10**6)
    )
    return {
        "rows": rows, "dropped": rows - kept, "planned_cpu_s": round(cost.cpu_s), "ranges": cost.ranges,
        "edges_cpu_s": round(children.ru_utime + children.ru_stime, 1),
        "join_cpu_s": round(time.process_time() - before, 1),
        "wall_s": round(time.monotonic() - began, 1), "edges_peak_mb": round(children.ru_maxrss / 1024),
        "join_peak_mb": round(own.ru_maxrss / 1024),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=2e6)
    parser.add_argument("--copies", type=float, default=0.3, help="share of rows with the signature of another")
    parser.add_argument("--memory", type=float, default=1e9, help="bytes for each process")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, required=True, help="new folder, which is removed")
    asked = parser.parse_args()
    try:
        print(
            json.dumps(measure(int(asked.rows), asked.copies, int(asked.memory), asked.workers, asked.folder), indent=1)
        )
    finally:
        shutil.rmtree(asked.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
