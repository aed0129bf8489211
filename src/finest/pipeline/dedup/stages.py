"""Run the stages of the deduplication: edges in parallel tasks, then the survivors of each cluster.

    OUT/ledger/dedup/plan.json            what the files beside it belong to
    OUT/ledger/dedup/edges-BB-RRRRR.bin   the edges of one bucket and range, shape (edges, 2)
    OUT/ledger/dedup/survivors.npy        for each row, in order, the row that is kept of its cluster

Every file is written under a temporary name and renamed, so what is there is whole, and a deduplication that was killed
continues with what is missing.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finest.atomic_files import write_whole
from finest.errors import RunError
from finest.formatting import byte_size, counted
from finest.pipeline.dedup.edges import CANDIDATE_BYTES, KEY_BYTES, Span, edges_of
from finest.pipeline.dedup.files import whole_file
from finest.pipeline.dedup.forest import CHUNK, Forest, row_type
from finest.pipeline.progress import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.pipeline.dedup.edges import Edges
    from finest.pipeline.dedup.signatures import Rows, RunSignatures
    from finest.pipeline.progress import Progress
    from finest.pipeline.tasks import Tasks
    from finest.recipe.recipe import DedupRules

FORMAT = "finest-dedup/1"
_FIXED_BYTES = 40_000_000
"""Memory for one chunk of rows or edges and its temporary arrays."""
_CANDIDATE_SHARE = 0.3
"""Planned share of rows that agree with another in the first hash of a bucket; more take several batches."""
_FILL = 0.8
"""Planned fill of a range; below 1 because the bounds are estimated from a sample."""
COPIES = 0.3
"""Share of rows that are copies in the largest measurement: 200 million rows left 6.7 GB (`python -m bench.dedup`)."""
_SAMPLE = 100_000
"""Number of hashes sampled to estimate the bounds of the ranges."""


_CPU_S_PER_ROW = 0.20e-6
_CPU_S_PER_ROW_AND_RANGE = 0.05e-6
"""CPU seconds per bucket where COPIES of the rows are copies: 69 s for 20 million rows in one range, 1,368 s for 200
million in six (`python -m bench.dedup`). Where 5 % are, it takes half; the share is not known before."""


@dataclass(frozen=True, slots=True)
class DedupPlan:
    """How a deduplication will run, and what it costs; reported before it starts."""

    rows: int
    ranges: int
    """Number of ranges of hashes per bucket; each is a task that reads the bucket's first hashes."""
    batch_rows: int
    """Number of candidates that a task looks at together."""
    read_bytes: int
    """Upper bound, reached if every row is a duplicate."""
    write_bytes: int
    """Bytes on disk together, if COPIES of the rows are duplicates."""
    peak_bytes: int
    """Memory of each process, beside what a Python process takes anyway."""
    cpu_s: float
    """CPU seconds, if COPIES of the rows are duplicates; half of them with few."""

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows in {counted(self.ranges, 'range')} of each bucket: "
            f"reads up to {byte_size(self.read_bytes)}, holds {byte_size(self.peak_bytes)} per process, "
            f"about {self.cpu_s:,.0f} s of CPU, or half with few duplicates"
        )


def plan(total_rows: int, rules: DedupRules, memory_bytes: int) -> DedupPlan:
    """Return how to deduplicate that many rows with processes that hold at most `memory_bytes`.

    Raises RunError if that is too little: the survivors take 4 bytes per row (8 from 2^31 rows on), and a range of one
    bucket `KEY_BYTES` per row.
    """
    number = row_type(total_rows)().itemsize
    forest = total_rows * number
    room = memory_bytes - _FIXED_BYTES
    if room < max(forest, _FIXED_BYTES):
        need = _FIXED_BYTES + max(forest, _FIXED_BYTES)
        raise RunError(
            f"deduplication of {total_rows:,} rows needs {byte_size(need)} of memory per process, and "
            f"{byte_size(memory_bytes)} are allowed; allow more with --dedup-memory"
        )
    fit = int(room / (KEY_BYTES + CANDIDATE_BYTES * _CANDIDATE_SHARE))
    batch_rows = max(int(fit * _CANDIDATE_SHARE), 1)
    ranges = 1 if total_rows <= fit else -int(-total_rows // (fit * _FILL))
    column_bytes = total_rows * 8 * rules.buckets
    row_bytes = number + 2 * number * COPIES * rules.buckets + (number + 8 if rules.min_jaccard else 0)
    return DedupPlan(
        rows=total_rows,
        ranges=ranges,
        batch_rows=batch_rows,
        read_bytes=column_bytes * ranges * (1 + rules.hashes_per_bucket),
        write_bytes=round(total_rows * row_bytes),
        peak_bytes=_FIXED_BYTES
        + max(forest, min(total_rows, fit) * KEY_BYTES + min(total_rows, batch_rows) * CANDIDATE_BYTES),
        cpu_s=total_rows * rules.buckets * (_CPU_S_PER_ROW + _CPU_S_PER_ROW_AND_RANGE * ranges),
    )


class Stages:
    """The deduplication of one run in the folder of its files."""

    def __init__(self, run: RunSignatures, cost: DedupPlan, folder: Path) -> None:
        self._run, self._cost, self._folder = run, cost, folder
        self._type = row_type(run.total_rows)
        edges = [0, *_bounds(run, cost.ranges), 1 << 64]
        self._spans = [
            Span(bucket, number, low, high - 1)
            for bucket in range(run.buckets) for number, (low, high) in enumerate(pairwise(edges))
        ]  # fmt: skip

    @property
    def survivors_path(self) -> Path:
        return self._folder / "survivors.npy"

    def run(self, tasks: Tasks) -> None:
        """Make the files that are missing."""
        tasks.once("Beginning the deduplication", self.begin, self._is_begun)
        tasks.run("Comparing signatures", range(len(self._spans)), self.write_edges, self._has_edges)
        tasks.once("Joining duplicates", lambda: self._write_survivors(tasks.progress), self.survivors_path.exists)

    def write_edges(self, number: int) -> None:
        """Do one task of the first stage."""
        span = self._spans[number]
        with whole_file(self._edges_path(span)) as file:
            for edges in edges_of(self._run, span, self._cost.batch_rows):
                edges.astype(self._type, copy=False).tofile(file)

    def begin(self) -> None:
        """Remove the files of any other deduplication."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        write_whole(self._folder / "plan.json", self._identity)

    def _is_begun(self) -> bool:
        """Return whether the folder holds the files of an equal deduplication, which was killed or is at work."""
        path = self._folder / "plan.json"
        return path.exists() and path.read_bytes() == self._identity

    @cached_property
    def _identity(self) -> bytes:
        spans = [asdict(span) for span in self._spans]
        return json.dumps({"format": FORMAT, "rows": self._run.digest(), "spans": spans}).encode()

    def _has_edges(self, number: int) -> bool:
        """Return whether the edges of a span are written, or joined already."""
        return self._edges_path(self._spans[number]).exists() or self.survivors_path.exists()

    def _write_survivors(self, progress: Progress) -> None:
        """Join the edges in order, and write the root of each row's tree."""
        sizes = [self._edges_path(span).stat().st_size for span in self._spans]
        told = Pace("Joining duplicates", sum(sizes), progress)
        forest = Forest(self._run.total_rows)
        for span, size in zip(self._spans, sizes, strict=True):
            for edges in self._edges(span):
                forest.join(edges)
            told.add(size)
        self._write_rows(self.survivors_path, self._roots(forest))
        for span in self._spans:
            self._edges_path(span).unlink(missing_ok=True)

    def _edges_path(self, span: Span) -> Path:
        return self._folder / f"edges-{span.bucket:02d}-{span.number:05d}.bin"

    def _edges(self, span: Span) -> Iterator[Edges]:
        with self._edges_path(span).open("rb") as file:
            while len(part := np.fromfile(file, self._type, 2 * CHUNK)):
                yield np.reshape(part, (-1, 2))

    def _roots(self, forest: Forest) -> Iterator[Rows]:
        total = self._run.total_rows
        for start in range(0, total, CHUNK):
            yield forest.roots_of(np.arange(start, min(start + CHUNK, total), dtype=self._type))

    def _write_rows(self, path: Path, parts: Iterator[Rows]) -> None:
        with whole_file(path) as file:
            header = {"descr": np.dtype(self._type).str, "fortran_order": False, "shape": (self._run.total_rows,)}
            np.lib.format.write_array_header_1_0(file, header)
            for part in parts:
                part.tofile(file)


def _bounds(run: RunSignatures, ranges: int) -> list[int]:
    """Return the bounds between that many ranges of a first hash, which hold about equally many rows each.

    The bounds of the first bucket serve all: each bucket's first hash is a minimum over the same shingles.
    """
    if ranges == 1 or not run.buckets:
        return []
    sample = run.sampled(0, _SAMPLE)
    return sorted({int(sample[len(sample) * i // ranges]) for i in range(1, ranges)} - {0})
