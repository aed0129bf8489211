"""Union-find over the rows of a run, as in DataTrove's stage 3."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 18
"""Rows or edges looked at together; their temporary arrays take about 20 MB."""


def row_type(total_rows: int) -> type[np.int32 | np.int64]:
    """Return the type that holds the number of any row of a run, and minus the number of its rows."""
    return np.int32 if total_rows < 1 << 31 else np.int64


class Forest:
    """Union-find by size: when two trees are equal in size, the first one's root wins.

    One array holds everything, in 4 bytes a row (8 from 2^31 rows on): the parent of each row, and for a root minus the
    size of its tree.
    """

    def __init__(self, size: int) -> None:
        self._parents = np.full(size, -1, row_type(size))

    def join(self, edges: npt.NDArray[np.signedinteger]) -> None:
        """Add edges, shape (edges, 2), in order."""
        for start in range(0, len(edges), CHUNK):
            left, right = (self.roots_of(edges[start : start + CHUNK, side]) for side in (0, 1))
            apart = left != right  # the others change nothing
            for a, b in zip(left[apart].tolist(), right[apart].tolist(), strict=True):
                self._union(a, b)

    def roots_of(self, rows: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.signedinteger]:
        """Return the root of each of these rows."""
        roots = rows
        while True:
            parents = self._parents[roots]
            inner = parents >= 0
            if not inner.any():
                return roots
            roots = np.where(inner, parents, roots)

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
