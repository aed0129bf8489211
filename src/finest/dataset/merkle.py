"""Merkle trees over a dataset's rows: one hash that commits to every row, and short proofs for single rows.

Each tree has the shape of RFC 6962 (section 2.1): a leaf is sha256(0x00 || data), a node sha256(0x01 || left || right),
an empty tree the sha256 of no bytes, and a tree of n leaves splits at the largest power of two below n.

A dataset has two levels of trees. A series is a run of data files whose paths differ only in their last number; the
leaves of its tree are the 32 raw bytes of its row hashes, in the order of the rows in the files. The leaves of the top
tree are the roots of the series with their numbers of rows (`series_leaf`), in the order of the manifest; its root is
the dataset's. So each series is checked alone, and no memory grows with the rows.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from functools import reduce


class Tree:
    """A tree to which leaves are added in their order; memory is O(log n)."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, leaves: Iterable[bytes]) -> None:
        """Add leaves after those that are there; those of rows are their hashes (32 raw bytes each)."""
        peaks, sha256 = self._peaks, hashlib.sha256
        for leaf in leaves:
            self.size += 1
            width, digest = 1, sha256(b"\x00" + leaf).digest()
            while peaks and peaks[-1][0] == width:
                digest = sha256(b"\x01" + peaks.pop()[1] + digest).digest()
                width *= 2
            peaks.append((width, digest))

    def root(self) -> str:
        """Return the root (64 hex digits) of the leaves added so far."""
        if not self._peaks:
            return hashlib.sha256(b"").hexdigest()
        return reduce(lambda right, left: _node(left, right), (digest for _, digest in reversed(self._peaks))).hex()


def root(leaves: Iterable[bytes]) -> str:
    """Compute the root (64 hex digits) of leaves in their order, in O(log n) memory."""
    tree = Tree()
    tree.add(leaves)
    return tree.root()


def series_leaf(root: str, rows: int) -> bytes:
    """Return a series' leaf of the top tree: its root (32 raw bytes), and its rows as unsigned 64 bits little-endian.

    With their 40 bytes these leaves cannot be taken for row hashes, and a proof cannot claim another number of rows.
    """
    return bytes.fromhex(root) + struct.pack("<Q", rows)


def top_root(series: Iterable[tuple[str, int]]) -> str:
    """Compute a dataset's root from the root and the number of rows of each series, in their order."""
    return root(series_leaf(own, rows) for own, rows in series)


def series_of(path: str) -> str:
    """Return the series of a file: its path without the last number, `data/D/000` for `data/D/000_00000.parquet`."""
    return path.rpartition("_")[0] or path


def rows_series(verdicts: str, language: str | None = None) -> str:
    """Return the series with the rows of the kept pages of a series of verdicts, `verdicts/D/000`.

    It is `data/D/000`; in a dataset with a folder for each language, the rows in `language` are in `data/LANGUAGE/D`
    for the verdicts `000`, and in `data/LANGUAGE/D-001` for `001`.
    """
    _, dump, number = verdicts.split("/")
    if language is None:
        return f"data/{dump}/{number}"
    return f"data/{language}/{dump}" if number == "000" else f"data/{language}/{dump}-{number}"


class SeriesTrees:
    """The trees of several series of rows, to which the rows are added series by series, each in its order."""

    def __init__(self) -> None:
        self._trees: dict[str, Tree] = {}

    def add(self, series: str, row_hashes: Iterable[bytes]) -> None:
        """Add rows of a series, by their hashes (32 raw bytes each)."""
        self._trees.setdefault(series, Tree()).add(row_hashes)

    def roots(self) -> dict[str, str]:
        """Return the root of each series that has rows."""
        return {series: root for series, (root, _) in self.leaves().items()}

    def leaves(self) -> dict[str, tuple[str, int]]:
        """Return the root and the number of rows of each series that has rows, in the order of their first rows."""
        return {series: (tree.root(), tree.size) for series, tree in self._trees.items() if tree.size}

    def root(self) -> str:
        """Return the dataset's root, of the series in the order of their first rows."""
        return top_root(self.leaves().values())


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf `index`: the sibling hashes from the leaf to the root (at most 64 of 32 bytes).

    Raises IndexError if there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    path = []
    level = [_leaf(leaf) for leaf in leaves]
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = [_node(*level[i : i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        index //= 2
    return path


def verify_proof(root: str, leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bool:
    """Return whether `proof` shows that row hash `leaf` is leaf `index` of the tree of `size` leaves with this root.

    The algorithm is RFC 9162, section 2.1.3.2. Malformed proofs are simply invalid and raise no error.
    """
    if not 0 <= index < size:
        return False
    node, last, digest = index, size - 1, _leaf(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            digest = _node(sibling, digest)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            digest = _node(digest, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and digest.hex() == root


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
