"""The features of many documents as a sparse matrix, and exact integer scores of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finest.models.sample import Held

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Matrix:
    """One row per document: the square root of each feature's count, scaled to unit length."""

    values: Any
    """scipy.sparse.csr_array of float32. Its precision is enough to recover counts up to 2 million exactly."""
    totals: NDArray[np.int64]
    """Number of features of each document, repeats included."""

    def rows(self, numbers: NDArray[np.int64]) -> Matrix:
        """Return some of the documents."""
        return Matrix(self.values[numbers], self.totals[numbers])

    def raw_scores(self, weights: NDArray[np.int16], bias: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the raw score of each document (rows) for each row of weights (columns).

        These are the integers that `QualityModel.score` computes from the text: the counts are recovered exactly from
        the values, and everything after that is integer arithmetic.
        """
        wide = weights.T.astype(np.int64)
        parts = [
            self._scores(start, min(start + _ROWS_AT_ONCE, len(self.totals)), wide)
            for start in range(0, len(self.totals), _ROWS_AT_ONCE)
        ]
        return np.concatenate([np.empty((0, len(weights)), np.int64), *parts]) + bias

    def _scores(self, start: int, end: int, wide: NDArray[np.int64]) -> NDArray[np.int64]:
        rows, totals = self.values[start:end], self.totals[start:end]
        counts = np.rint(rows.data.astype(np.float64) ** 2 * np.repeat(totals, np.diff(rows.indptr))).astype(np.int64)
        roots = sparse.csr_array((isqrt(counts << 16), rows.indices, rows.indptr), shape=rows.shape)
        return ((roots @ wide) << 16) // isqrt(totals << 32)[:, None]


def matrix_of(documents: list[Held], bits: int) -> Matrix:
    """Build the matrix of the documents; empties the list, so that features are not held twice."""
    sizes = [len(held.indices) for held in documents]
    ends = np.cumsum([0, *sizes], dtype=np.int64)
    indices, data = np.empty(ends[-1], np.int32), np.empty(ends[-1], np.float32)
    totals = np.empty(len(documents), np.int64)
    for row in range(len(documents) - 1, -1, -1):
        held = documents.pop()
        totals[row] = held.counts.sum(dtype=np.int64)
        indices[ends[row] : ends[row + 1]] = held.indices
        data[ends[row] : ends[row + 1]] = np.sqrt(held.counts / totals[row])
    shape = (len(sizes), 1 << bits)
    if ends[-1] < np.iinfo(np.int32).max:
        ends = ends.astype(np.int32)  # SciPy keeps both index arrays in one type
    return Matrix(sparse.csr_array((data, indices, ends), shape=shape), totals)


def isqrt(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the integer square root of each number below 2^62, exactly."""
    roots = np.sqrt(numbers.astype(np.float64)).astype(np.int64)
    roots -= roots * roots > numbers
    roots += (roots + 1) * (roots + 1) <= numbers
    return roots
