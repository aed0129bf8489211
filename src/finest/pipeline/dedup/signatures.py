"""The signatures of a run's pages, as the deduplication reads them.

A signature file, or that part of a pack, is three consecutive arrays in NumPy's format: the signatures (uint64, shape
(buckets, hashes, rows with a signature)), the numbers of those rows, and the total number of rows. The values of one
hash of one bucket are contiguous, so they can be read without the others.

If the recipe deduplicates before the filters, the signatures of dropped pages take part, and pages of different
languages are never duplicates: `with_language` adds the language to each bucket as one more hash. It is the last one,
so the order of the edges within a language is that of a run with this language alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from finest.errors import LedgerError, RunError
from finest.pipeline.dedup.forest import row_type

Hashes: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = npt.NDArray[np.signedinteger]

_SAMPLED_PARTS = 256
"""Least number of parts, if there are as many, from which the ranges of hashes are estimated."""


class Signatures(Protocol):
    """The signatures of consecutive rows of a run; a column is read only when it is needed."""

    @property
    def buckets(self) -> int: ...

    @property
    def hashes(self) -> int:
        """Number of hashes of each bucket."""
        ...

    @property
    def total_rows(self) -> int: ...

    @property
    def signed(self) -> int:
        """Number of rows that have a signature."""
        ...

    def rows(self) -> Rows:
        """Return the numbers of the rows that have a signature, ascending, counted from this part's first row."""
        ...

    def column(self, bucket: int, number: int) -> Hashes:
        """Return one hash of one bucket, for all rows that have a signature."""
        ...


@dataclass(frozen=True, slots=True)
class WithinGroup:
    """Signatures with the number of a group as one more hash of each bucket: rows of two groups never share one.

    It is the last hash, so the order of the edges within a group is that of a run with this group alone.
    """

    part: Signatures
    group: int

    @property
    def buckets(self) -> int:
        return self.part.buckets

    @property
    def hashes(self) -> int:
        return self.part.hashes + 1

    @property
    def total_rows(self) -> int:
        return self.part.total_rows

    @property
    def signed(self) -> int:
        return self.part.signed

    def rows(self) -> Rows:
        return self.part.rows()

    def column(self, bucket: int, number: int) -> Hashes:
        if number == self.part.hashes:
            return np.full(self.signed, self.group, np.uint64)
        return self.part.column(bucket, number)


def write_signatures(path: Path, signatures: Sequence[Hashes | None]) -> None:
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
    filled = [part for part in parts if part.signed]
    if len({(part.buckets, part.hashes) for part in filled}) > 1:
        raise LedgerError(f"{parts[0].path.parents[1]} holds signatures of different recipes; remove it and run again")
    starts = np.cumsum([0, *(part.total_rows for part in parts)])
    rows = [part.rows() + start for part, start in zip(parts, starts[:-1], strict=True)]
    stacked = np.concatenate([part.whole() for part in filled], axis=2) if filled else np.zeros((0, 0, 0), np.uint64)
    _write_arrays(file, stacked, np.concatenate(rows).astype(np.int64), int(starts[-1]))


def _write_arrays(file: BinaryIO, stacked: Hashes, rows: Rows, total: int) -> None:
    for array in (stacked, rows, np.array([total], np.int64)):
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def with_language(signature: Hashes | None, language: str | None) -> Hashes | None:
    """Return the signature with the language as one more hash of each bucket."""
    if signature is None:
        return None
    number = np.uint64(xxhash.xxh64_intdigest((language or "").encode()))
    return np.concatenate((signature, np.full((len(signature), 1), number, np.uint64)), axis=1)


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """The signatures of one slice or one source, on disk; the object holds no row, however large the file is."""

    path: Path
    buckets: int
    hashes: int
    signed: int
    total_rows: int
    _offset: int
    _rows_offset: int

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
                np.lib.format.read_magic(file)
                signed, _, _ = np.lib.format.read_array_header_1_0(file)
                rows_offset = file.tell()
                file.seek(signed[0] * 8, os.SEEK_CUR)
                total = np.lib.format.read_array(file, allow_pickle=False)
            buckets, hashes, count = shape
            if dtype != np.uint64 or signed != (count,):
                raise ValueError("it is not a signature file")
        except (OSError, ValueError, EOFError, IndexError) as error:
            culprit = path if path.suffix == ".pack" else path.parent
            raise LedgerError(f"signatures {path}: {error}; remove {culprit} and run again") from error
        return SignatureFile(path, buckets, hashes, count, int(total[0]), offset, rows_offset)

    def rows(self) -> Rows:
        if self.signed == self.total_rows:
            return np.arange(self.total_rows)
        return np.frombuffer(self._read(self.signed * 8, self._rows_offset), np.int64)

    def column(self, bucket: int, number: int) -> Hashes:
        start = self._offset + (bucket * self.hashes + number) * self.signed * 8
        return np.frombuffer(self._read(self.signed * 8, start), np.uint64)

    def whole(self) -> Hashes:
        """Return all signatures, shape (buckets, hashes, rows with a signature)."""
        shape = self.buckets, self.hashes, self.signed
        return np.frombuffer(self._read(int(np.prod(shape)) * 8, self._offset), np.uint64).reshape(shape)

    def _read(self, size: int, start: int) -> bytes:
        descriptor = os.open(self.path, os.O_RDONLY)  # np.fromfile is three times slower
        try:
            return os.pread(descriptor, size, start)
        finally:
            os.close(descriptor)


class RunSignatures:
    """The signatures of all rows of a run, numbered consecutively across the parts in the given order."""

    def __init__(self, parts: Sequence[Signatures]) -> None:
        self.starts: list[int] = np.cumsum([0, *(part.total_rows for part in parts)]).tolist()
        """The number of each part's first row, and the number of all rows."""
        self.total_rows = self.starts[-1]
        self._parts = [(part, start) for part, start in zip(parts, self.starts[:-1], strict=True) if part.signed]
        self._bounds = np.array([start for _, start in self._parts] + [self.total_rows], row_type(self.total_rows))
        shapes = {(part.buckets, part.hashes) for part, _ in self._parts} or {(0, 0)}
        if len(shapes) > 1:
            raise RunError(f"signatures of different recipes in one run: {sorted(shapes)}; start again with --restart")
        self.buckets, self.hashes = shapes.pop()

    def digest(self) -> str:
        """Return a hash of the numbers of rows of all parts."""
        parts = [(start, part.signed) for part, start in self._parts]
        return hashlib.sha256(repr((self.total_rows, self.buckets, self.hashes, parts)).encode()).hexdigest()

    def first_hashes(self, bucket: int, step: int = 1) -> Iterator[tuple[Signatures, int, Hashes]]:
        """Yield every `step`-th part with its first row's number and the first hashes of that bucket."""
        for part, start in self._parts[::step]:
            yield part, start, part.column(bucket, 0)

    def sampled(self, bucket: int, count: int) -> Hashes:
        """Return about `count` first hashes of that bucket, sorted, from parts spread over the run."""
        signed = sum(part.signed for part, _ in self._parts)
        step = max(min(len(self._parts) // _SAMPLED_PARTS, signed // count), 1)
        every = max(signed // step // count, 1)
        found = [column[::every] for _, _, column in self.first_hashes(bucket, step)]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.uint64)

    def hashes_of(self, rows: Rows, order: npt.NDArray[np.int64], bucket: int, number: int) -> Hashes:
        """Return one hash of the given rows, which all have a signature; `order` is that of `order_of(rows)`."""
        values = np.zeros(len(rows), np.uint64)
        places = rows[order]
        bounds = np.searchsorted(places, self._bounds).tolist()
        for (part, start), first, end in zip(self._parts, bounds[:-1], bounds[1:], strict=True):
            if first < end:
                own = places[first:end] - places.dtype.type(start)
                if part.signed < part.total_rows:
                    own = np.searchsorted(part.rows(), own)
                values[order[first:end]] = part.column(bucket, number)[own]
        return values

    def order_of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the order that sorts the rows, as `np.argsort` does in ten times the time."""
        bits = max(len(rows) - 1, 1).bit_length()
        if bits + self.total_rows.bit_length() > 64:
            return np.argsort(rows)
        keys = (rows.astype(np.uint64) << np.uint64(bits)) | np.arange(len(rows), dtype=np.uint64)
        keys.sort()
        keys &= np.uint64((1 << bits) - 1)
        return keys.view(np.int64)
