"""Union-find over the rows of a run, as in DataTrove's stage 3."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 18
"""Rows or edges looked at together; their temporary arrays take about 20 MB."""

MOST_ALONE = 1000
"""Up to this many edges are joined one by one, which takes 1 to 6 us each; together they take 0.3 us."""


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
            left, right = self._apart(edges[start : start + CHUNK, 0], edges[start : start + CHUNK, 1])
            while len(left) > MOST_ALONE:
                ready = _first_of_both(left, right)
                if ready.sum() * 4 < len(ready):  # a large cluster: each of its edges waits for the one before
                    break
                self._join_together(left[ready], right[ready])
                left, right = self._apart(left[~ready], right[~ready])
            for a, b in zip(left.tolist(), right.tolist(), strict=True):
                self._union(a, b)

    def _apart(
        self, left: npt.NDArray[np.signedinteger], right: npt.NDArray[np.signedinteger]
    ) -> tuple[npt.NDArray[np.signedinteger], npt.NDArray[np.signedinteger]]:
        """Return the roots of the edges' rows, without the edges within one tree, which change nothing."""
        left, right = self.roots_of(left), self.roots_of(right)
        apart = left != right
        return left[apart], right[apart]

    def _join_together(self, a: npt.NDArray[np.signedinteger], b: npt.NDArray[np.signedinteger]) -> None:
        """Join pairs of roots that are all different, so that their order does not matter."""
        sizes_a, sizes_b = self._parents[a], self._parents[b]  # negative
        is_smaller = sizes_a > sizes_b
        winners, losers = np.where(is_smaller, b, a), np.where(is_smaller, a, b)
        self._parents[winners] = sizes_a + sizes_b
        self._parents[losers] = winners

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


def _first_of_both(left: npt.NDArray[np.signedinteger], right: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.bool_]:
    """Return which edges have no earlier edge at either root: nothing before them changes what they do."""
    both = np.stack((left, right), axis=1).ravel()
    is_first = np.zeros(len(both), np.bool_)
    is_first[np.unique(both, return_index=True)[1]] = True
    return is_first[::2] & is_first[1::2]
