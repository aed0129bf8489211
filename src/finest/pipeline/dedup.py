"""MinHash deduplication over the signatures of a whole run, in bounded memory.

Two pages are duplicates if their signatures agree in at least one bucket. Clusters are the connected components, and
one page of each survives: the one that DataTrove's stages 2 and 3 keep. Their survivor is the root of a union-find
tree, so it depends on the order of the edges: bucket by bucket, by signature and then by page.

If the recipe deduplicates before the filters, the signatures of dropped pages take part, and pages of different
languages are never duplicates: `with_language` adds the language to each bucket as one more hash. It is the last one,
so the order of the edges within a language is that of a run with this language alone.

A signature file, or that part of a pack, is three consecutive arrays in NumPy's format: the signatures (uint64, shape
(buckets, hashes, rows with a signature)), the numbers of those rows, and the total number of rows. The values of one
hash of one bucket are contiguous, so they can be read without the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from finest.errors import LedgerError, RunError
from finest.formatting import byte_size
from finest.recipe.recipe import DedupRules

_Hashes: TypeAlias = npt.NDArray[np.uint64]
_Rows: TypeAlias = npt.NDArray[np.int64]

_ROW_BYTES = 16
"""Memory per row of the run: its parent in the union-find forest, and its number in its slice."""
_CANDIDATE_BYTES = 72
"""Peak memory per row of a partition: its hash, number, group and sort index, including temporary copies."""
_CHUNK = 1 << 16
_MIN_PARTITION_ROWS = 10_000
_FILL = 0.8
"""Planned fill of a partition; below 1 because the bounds are estimated from a sample."""
_SAMPLE = 100_000
"""Number of hashes of a bucket sampled to estimate the bounds of its partitions."""
_CPU_S_PER_ROW_AND_BUCKET = 0.27e-6
"""CPU seconds, measured with 0.8 million rows, 5 % of them duplicates, on one 2.6 GHz core."""


def write_signatures(path: Path, signatures: Sequence[_Hashes | None]) -> None:
    """Write the signatures of a slice's rows, in order; None stands for a row too short to have one.

    This function does not fsync: the ledger fsyncs the files of a slice and renames their folder.
    """
    rows = np.array([i for i, signature in enumerate(signatures) if signature is not None], dtype=np.int64)
    found = [signature for signature in signatures if signature is not None]
    stacked = np.stack(found, axis=2) if found else np.zeros((0, 0, 0), np.uint64)
    with path.open("wb") as file:
        _write_arrays(file, stacked, rows, len(signatures))


def join_signatures(file: BinaryIO, parts: Sequence[SignatureFile]) -> None:
    """Write the signatures of consecutive files as one, at the place where `file` is."""
    filled = [part for part in parts if len(part.rows)]
    if len({(part.buckets, part.hashes) for part in filled}) > 1:
        raise LedgerError(f"{parts[0].path.parents[1]} holds signatures of different recipes; remove it and run again")
    starts = np.cumsum([0, *(part.total_rows for part in parts)])
    rows = [part.rows + start for part, start in zip(parts, starts[:-1], strict=True)]
    stacked = np.concatenate([part.whole() for part in filled], axis=2) if filled else np.zeros((0, 0, 0), np.uint64)
    _write_arrays(file, stacked, np.concatenate(rows), int(starts[-1]))


def _write_arrays(file: BinaryIO, stacked: _Hashes, rows: _Rows, total: int) -> None:
    for array in (stacked, rows, np.array([total], np.int64)):
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def with_language(signature: _Hashes | None, language: str | None) -> _Hashes | None:
    """Return the signature with the language as one more hash of each bucket."""
    if signature is None:
        return None
    number = np.uint64(xxhash.xxh64_intdigest((language or "").encode()))
    return np.concatenate((signature, np.full((len(signature), 1), number, np.uint64)), axis=1)


def cluster_sizes(survivors: _Rows) -> _Rows:
    """Return, for each row of the run, the number of rows in its cluster; `survivors` is the result of `cluster`."""
    return np.bincount(survivors, minlength=len(survivors))[survivors]


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """The signatures of one slice or of one source, on disk; a column is read only when it is needed."""

    path: Path
    buckets: int
    hashes: int
    rows: _Rows
    """Numbers (within the slice or source) of the rows that have a signature."""
    total_rows: int
    _offset: int

    @staticmethod
    def open(path: Path, at: int = 0) -> SignatureFile:
        """Open the signatures at that place of a file; raises LedgerError if they are missing or something else."""
        try:
            with path.open("rb") as file:
                file.seek(at)
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                offset = file.tell()
                file.seek(int(np.prod(shape)) * dtype.itemsize, os.SEEK_CUR)
                rows, total = (np.lib.format.read_array(file, allow_pickle=False) for _ in range(2))
            buckets, hashes, count = shape
            if dtype != np.uint64 or count != len(rows):
                raise ValueError("it is not a signature file")
        except (OSError, ValueError, EOFError) as error:
            culprit = path if path.suffix == ".pack" else path.parent
            raise LedgerError(f"signatures {path}: {error}; remove {culprit} and run again") from error
        return SignatureFile(path, buckets, hashes, rows, int(total[0]), offset)

    def column(self, bucket: int, number: int) -> _Hashes:
        """Return one hash of one bucket, for all rows that have a signature."""
        count = len(self.rows)
        if not count:
            return np.zeros(0, np.uint64)
        start = self._offset + (bucket * self.hashes + number) * count * 8
        descriptor = os.open(self.path, os.O_RDONLY)  # np.fromfile is three times slower
        try:
            return np.frombuffer(os.pread(descriptor, count * 8, start), np.uint64, count)
        finally:
            os.close(descriptor)

    def whole(self) -> _Hashes:
        """Return all signatures, shape (buckets, hashes, rows with a signature)."""
        values = np.fromfile(self.path, np.uint64, self.buckets * self.hashes * len(self.rows), offset=self._offset)
        return values.reshape(self.buckets, self.hashes, len(self.rows))


@dataclass(frozen=True, slots=True)
class DedupPlan:
    """The expected cost of a deduplication, reported before it starts."""

    rows: int
    partitions: int
    """Number of passes over each bucket."""
    read_bytes: int
    """Upper bound, reached if every row is a duplicate."""
    peak_bytes: int
    cpu_s: float

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows in {self.partitions} pass{'es' * (self.partitions != 1)} over each bucket: "
            f"reads up to {byte_size(self.read_bytes)}, holds {byte_size(self.peak_bytes)}, "
            f"about {self.cpu_s:,.0f} s of CPU"
        )


def plan(total_rows: int, rules: DedupRules, memory_bytes: int) -> DedupPlan:
    """Return the cost of `cluster` for `total_rows` rows within `memory_bytes`.

    Raises RunError if that is too little: clustering takes 16 bytes per row plus the memory of one partition.
    """
    partitions = _partitions(total_rows, memory_bytes)
    column_bytes = total_rows * 8 * rules.buckets
    per_partition = min(total_rows, _partition_rows(total_rows, memory_bytes))
    return DedupPlan(
        rows=total_rows,
        partitions=partitions,
        read_bytes=column_bytes * (partitions + rules.hashes_per_bucket - 1),
        peak_bytes=total_rows * _ROW_BYTES + per_partition * _CANDIDATE_BYTES,
        cpu_s=total_rows * rules.buckets * _CPU_S_PER_ROW_AND_BUCKET * (1 + 0.1 * (partitions - 1)),
    )


def cluster(signatures: Sequence[SignatureFile], *, memory_bytes: int) -> _Rows:
    """Return, for each row of the run in order, the surviving row of its cluster: the row itself if it is kept.

    Rows are numbered consecutively across the files in the given order. Memory stays within `memory_bytes` unless most
    rows of a bucket agree in their first hash. Raises RunError if that is too little or the files' shapes differ.
    """
    filled = [file for file in signatures if len(file.rows)]
    shapes = {(file.buckets, file.hashes) for file in filled}
    if len(shapes) > 1:
        raise RunError(f"signatures of different recipes in one run: {sorted(shapes)}; start it again with --restart")
    total = sum(file.total_rows for file in signatures)
    partitions = _partitions(total, memory_bytes)
    forest = _Forest(total)
    starts = np.cumsum([0, *(file.total_rows for file in signatures)])
    located = [(file, int(start)) for file, start in zip(signatures, starts[:-1], strict=True) if len(file.rows)]
    for bucket in range(shapes.pop()[0] if shapes else 0):
        for low, high in _ranges(filled, bucket, partitions):
            forest.join(_edges(located, bucket, low, high))
    return forest.roots()


def _partition_rows(total_rows: int, memory_bytes: int) -> int:
    rows = int((memory_bytes - total_rows * _ROW_BYTES) / _CANDIDATE_BYTES)
    if rows < min(total_rows, _MIN_PARTITION_ROWS):
        need = total_rows * _ROW_BYTES + _MIN_PARTITION_ROWS * _CANDIDATE_BYTES
        have = f"{memory_bytes / 1e6:,.1f} MB are allowed"
        raise RunError(f"deduplication of {total_rows:,} rows needs {need / 1e6:,.1f} MB, {have}")
    return rows


def _partitions(total_rows: int, memory_bytes: int) -> int:
    rows = _partition_rows(total_rows, memory_bytes)
    return 1 if total_rows <= rows else -int(-total_rows // (rows * _FILL))


def _ranges(files: Sequence[SignatureFile], bucket: int, partitions: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of the first hash that cover all values and hold about equally many rows each."""
    bounds: list[int] = []
    if partitions > 1:
        step = max(sum(len(file.rows) for file in files) // _SAMPLE, 1)
        sample = np.sort(np.concatenate([file.column(bucket, 0)[::step] for file in files]))
        bounds = sorted({int(sample[len(sample) * i // partitions]) for i in range(1, partitions)} - {0})
    yield from pairwise([0, *bounds, 1 << 64])


def _edges(files: Sequence[tuple[SignatureFile, int]], bucket: int, low: int, high: int) -> _Rows:
    """Return pairs of rows, shape (edges, 2): neighbours that share a signature, sorted by signature and row."""
    rows, values = _first_column(files, bucket, low, high)
    order = np.argsort(values, kind="stable")
    rows, groups = _shared(rows[order], _numbered(values[order]))
    for number in range(1, files[0][0].hashes):
        if not len(rows):
            break
        values = _column_of(files, rows, bucket, number)
        order = np.lexsort((rows, values, groups))
        rows, values, groups = rows[order], values[order], groups[order]
        rows, groups = _shared(rows, _numbered(groups, values))
    linked = groups[1:] == groups[:-1]
    return np.stack((rows[:-1][linked], rows[1:][linked]), axis=1)


def _first_column(
    files: Sequence[tuple[SignatureFile, int]], bucket: int, low: int, high: int
) -> tuple[_Rows, _Hashes]:
    rows, values = [], []
    for file, start in files:
        column = file.column(bucket, 0)
        inside = (column >= np.uint64(low)) & (column <= np.uint64(high - 1))
        rows.append(file.rows[inside] + start)
        values.append(column[inside])
    return np.concatenate(rows), np.concatenate(values)


def _column_of(files: Sequence[tuple[SignatureFile, int]], rows: _Rows, bucket: int, number: int) -> _Hashes:
    """Return one hash of the given rows of the run, which may be in any order."""
    values = np.zeros(len(rows), np.uint64)
    order = np.argsort(rows)
    in_order = rows[order]
    bounds = np.searchsorted(in_order, [(start, start + file.total_rows) for file, start in files]).tolist()
    for (file, start), (first, last) in zip(files, bounds, strict=True):
        if first < last:
            places = np.searchsorted(file.rows, in_order[first:last] - start)
            values[order[first:last]] = file.column(bucket, number)[places]
    return values


def _numbered(*keys: npt.NDArray[np.uint64] | _Rows) -> _Rows:
    """Number the runs of equal keys: one group number per row."""
    changes = np.zeros(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.concatenate((np.zeros(min(len(keys[0]), 1), np.int64), np.cumsum(changes)))


def _shared(rows: _Rows, groups: _Rows) -> tuple[_Rows, _Rows]:
    """Return the rows (with their group numbers) whose group has more than one row."""
    same = groups[1:] == groups[:-1]
    keep = np.zeros(len(groups), bool)
    keep[1:] |= same
    keep[:-1] |= same
    return rows[keep], groups[keep]


class _Forest:
    """Union-find by size as in DataTrove's stage 3: when two trees are equal in size, the first one's root wins."""

    def __init__(self, size: int) -> None:
        self._parents = np.full(size, -1, np.int64)  # a root holds minus the size of its tree

    def join(self, edges: _Rows) -> None:
        """Add the edges in order. Edges within one tree change nothing, so they are filtered out first."""
        left, right = self._roots_of(edges[:, 0]), self._roots_of(edges[:, 1])
        apart = left != right
        for a, b in zip(left[apart].tolist(), right[apart].tolist(), strict=True):
            self._union(a, b)

    def roots(self) -> _Rows:
        """Return the root of each row. Overwrites and returns the internal array: the forest is unusable afterwards."""
        parents = self._parents
        for start in range(0, len(parents), _CHUNK):
            part = parents[start : start + _CHUNK]
            inner = part >= 0
            part[inner] = self._roots_of(part[inner])
        for start in range(0, len(parents), _CHUNK):
            part = parents[start : start + _CHUNK]
            own = np.flatnonzero(part < 0)
            part[own] = own + start
        return parents

    def _union(self, a: int, b: int) -> None:
        a, b = self._root(a), self._root(b)
        if a == b:
            return
        parents = self._parents
        if parents[a] > parents[b]:  # sizes are negative: the tree of `a` is the smaller one
            a, b = b, a
        parents[a] += parents[b]
        parents[b] = a

    def _root(self, row: int) -> int:
        parents = self._parents
        root = row
        while (parent := int(parents[root])) >= 0:
            root = parent
        while row != root:
            parents[row], row = root, int(parents[row])
        return root

    def _roots_of(self, rows: _Rows) -> _Rows:
        roots = rows
        while True:
            parents = self._parents[roots]
            inner = parents >= 0
            if not inner.any():
                return roots
            roots = np.where(inner, parents, roots)
