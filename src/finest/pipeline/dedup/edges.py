"""Stage 1: the edges of one bucket within one range of its first hash.

An edge joins two rows that are neighbours in the order of their signatures in the bucket, then of their numbers, and
whose signatures are equal. The ranges of a bucket, in order, give the edges of the whole bucket in order.

For each row in the range, one 64-bit key holds the leading bits of its first hash and its number. Sorting the keys in
place finds the rows that may share a signature; nearly all rows drop out there, and only of the rest are the hashes
read, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from finest.pipeline.dedup.forest import CHUNK, row_type
from finest.pipeline.dedup.signatures import Hashes, Rows, RunSignatures

Edges: TypeAlias = npt.NDArray[np.signedinteger]
"""Pairs of row numbers, shape (edges, 2)."""
_Keys: TypeAlias = npt.NDArray[np.uint64]
_Flags: TypeAlias = npt.NDArray[np.bool_]

KEY_BYTES = 9
"""Peak memory per row of a range: its key, and whether it is a candidate."""
CANDIDATE_BYTES = 40
"""Peak memory per row of a batch of candidates: number, hash, order by number, temporary copies."""


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of a task: those whose first hash in `bucket` is from `low` to `last`."""

    bucket: int
    number: int
    """Position among the ranges of the bucket."""
    low: int
    last: int


def edges_of(run: RunSignatures, span: Span, batch_rows: int) -> Iterator[Edges]:
    """Yield the edges of a span in order; looks at about `batch_rows` candidates at a time."""
    row_bits = max(run.total_rows - 1, 1).bit_length()
    keys = _candidates(_keys(run, span, row_bits), row_bits)
    start = 0
    while start < len(keys):
        end = _group_end(keys, min(start + batch_rows, len(keys)), row_bits)
        hashes = keys[start:end] >> np.uint64(row_bits)
        rows = (keys[start:end] & np.uint64((1 << row_bits) - 1)).astype(row_type(run.total_rows))
        begins = np.ones(len(rows), np.bool_)
        np.not_equal(hashes[1:], hashes[:-1], out=begins[1:])
        del hashes
        yield _linked(run, span.bucket, rows, begins)
        start = end


def _keys(run: RunSignatures, span: Span, row_bits: int) -> _Keys:
    """Return the sorted keys of the rows in the span: the leading bits of the first hash, then the row's number."""
    width = span.last - span.low
    low, most = np.uint64(span.low), np.uint64(width)
    shift, bits = np.uint64(max(width.bit_length() - (64 - row_bits), 0)), np.uint64(row_bits)
    keys, count = np.zeros(CHUNK, np.uint64), 0
    for part, start, column in run.first_hashes(span.bucket):
        above = column - low  # wraps around below `low`, to more than the width
        inside = np.flatnonzero(above <= most)
        rows = inside if part.signed == part.total_rows else part.rows()[inside]
        end = count + len(inside)
        if end > len(keys):
            keys.resize(end + (end >> 3), refcheck=False)  # the kernel moves the pages, so no second copy exists
        keys[count:end] = ((above[inside] >> shift) << bits) | (rows + start).view(np.uint64)
        count = end
    keys.resize(count, refcheck=False)
    keys.sort()
    return keys


def _group_end(keys: _Keys, end: int, row_bits: int) -> int:
    """Return the first position from `end` on at which another hash begins."""
    next_hash = (int(keys[end - 1]) >> row_bits) + 1 << row_bits
    return len(keys) if next_hash >= 1 << 64 else max(int(np.searchsorted(keys, np.uint64(next_hash))), end)


def _candidates(keys: _Keys, row_bits: int) -> _Keys:
    """Move the keys that agree with a neighbour in the hash to the front of the array, and return them."""
    shared = np.zeros(len(keys), np.bool_)
    for start in range(0, len(keys), CHUNK):
        hashes = keys[start : start + CHUNK + 1] >> np.uint64(row_bits)
        same = hashes[1:] == hashes[:-1]
        shared[start : start + len(same)] |= same
        shared[start + 1 : start + 1 + len(same)] |= same
    count = 0
    for start in range(0, len(keys), CHUNK):
        chosen = keys[start : start + CHUNK][shared[start : start + CHUNK]]
        keys[count : count + len(chosen)] = chosen
        count += len(chosen)
    return keys[:count]


def _linked(run: RunSignatures, bucket: int, rows: Rows, begins: _Flags) -> Edges:
    """Return the edges among rows in groups; `begins` says where a group begins, and a group's rows are ascending.

    Hash by hash, the groups whose rows differ in it are sorted by it and divided.
    """
    order = run.order_of(rows)
    for number in range(run.hashes):
        if not len(rows):
            break
        values = run.hashes_of(rows, order, bucket, number)
        differs = ~begins
        differs[1:] &= values[1:] != values[:-1]
        if not differs.any():
            continue
        _divide(rows, values, begins, differs)
        keep = ~begins
        keep[:-1] |= ~begins[1:]
        rows, begins = rows[keep], begins[keep]
        order = run.order_of(rows)
    linked = np.flatnonzero(~begins)
    return np.stack((rows[linked - 1], rows[linked]), axis=1)


def _divide(rows: Rows, values: Hashes, begins: _Flags, differs: _Flags) -> None:
    """Sort the groups with a differing row by value and row, in place, and mark where each value begins."""
    groups = np.cumsum(begins, dtype=np.int32)
    mixed = np.zeros(int(groups[-1]) + 1, np.bool_)
    mixed[groups[differs]] = True
    places = np.flatnonzero(mixed[groups])
    order = np.lexsort((rows[places], values[places], groups[places]))
    rows[places] = rows[places][order]
    own, groups = values[places][order], groups[places][order]
    changes = np.ones(len(places), np.bool_)
    changes[1:] = (own[1:] != own[:-1]) | (groups[1:] != groups[:-1])
    begins[places] = changes
