"""The Merkle tree: every row counts, and proofs prove."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.dataset.merkle import SeriesTrees, Tree, proof, root, series_leaf, top_root, verify_proof

LEAF = st.binary(min_size=32, max_size=32)
LEAVES = st.lists(LEAF, min_size=1, max_size=40, unique=True)


def leaves_of(size: int) -> list[bytes]:
    """That many different leaves."""
    return [hashlib.sha256(b"%d" % n).digest() for n in range(size)]


def rfc6962(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word by word."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0]).digest() if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + rfc6962(leaves[:split]) + rfc6962(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(71))
def test_root_is_that_of_the_rfc(size: int) -> None:
    """The root is RFC 6962's for every size."""
    assert root(leaves_of(size)) == rfc6962(leaves_of(size)).hex()


@given(LEAVES, st.data())
def test_a_changed_leaf_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    """A changed, removed, added or moved leaf gives another root."""
    at = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(LEAF.filter(lambda leaf: leaf not in leaves))

    assert root([*leaves[:at], other, *leaves[at + 1 :]]) != root(leaves)
    assert root([*leaves[:at], *leaves[at + 1 :]]) != root(leaves)
    assert root([*leaves[:at], other, *leaves[at:]]) != root(leaves)
    assert root([*leaves, leaves[at]]) != root(leaves)
    if at:
        assert root([leaves[at], *leaves[:at], *leaves[at + 1 :]]) != root(leaves)


def test_proofs_verify_and_altered_ones_do_not() -> None:
    """For all sizes 1 to 70, each leaf's proof holds, and no other leaf, place, size, root or path does."""
    for size in range(1, 71):
        leaves = leaves_of(size)
        top = root(leaves)
        for index, leaf in enumerate(leaves):
            path = proof(leaves, index)
            assert verify_proof(top, leaf, index, size, path)
            assert not verify_proof(top, hashlib.sha256(leaf).digest(), index, size, path)
            assert not verify_proof(top, leaf, (index + 1) % size, size, path) or size == 1
            assert not verify_proof(rfc6962([leaf, leaf]).hex(), leaf, index, size, path)
            assert not verify_proof(top, leaf, index, size, [*path, leaf])
            for at in range(len(path)):
                assert not verify_proof(top, leaf, index, size, path[:at] + path[at + 1 :])
                assert not verify_proof(top, leaf, index, size, [*path[:at], leaf, *path[at + 1 :]])


@given(st.text(max_size=64), st.binary(max_size=40), st.integers(-5, 80), st.integers(-5, 80), st.lists(st.binary()))
def test_garbage_is_no_proof(top: str, leaf: bytes, index: int, size: int, path: list[bytes]) -> None:
    """Garbage does not verify, and raises nothing."""
    assert not verify_proof(top, leaf, index, size, path)


def test_a_node_is_no_leaf() -> None:
    """An inner node cannot be passed off as a leaf (second preimage)."""
    a, b = leaves_of(2)
    fake = hashlib.sha256(b"\0" + a).digest() + hashlib.sha256(b"\0" + b).digest()

    assert root([fake]) != root([a, b])


def test_no_leaf_no_proof() -> None:
    """A proof for a leaf that is not there is an IndexError."""
    for index in (-1, 3):
        with pytest.raises(IndexError):
            proof(leaves_of(3), index)


@given(LEAVES, LEAVES)
def test_a_row_is_proven_by_two_paths(first: list[bytes], second: list[bytes]) -> None:
    """A row proves itself in its series, and the series, with its number of rows, in the dataset."""
    trees = SeriesTrees()
    trees.add("data/D/000", first)
    trees.add("data/D/001", second)
    series = [series_leaf(root(leaves), len(leaves)) for leaves in (first, second)]

    assert trees.roots() == {"data/D/000": root(first), "data/D/001": root(second)}
    assert trees.root() == root(series) == top_root([(root(first), len(first)), (root(second), len(second))])
    assert top_root([(root(first), len(first) + 1), (root(second), len(second))]) != trees.root()
    assert trees.root() != root([*first, *second])


def test_a_tree_grows_in_parts() -> None:
    """However the leaves are split into parts, the root is the same, and memory is that of one branch."""
    leaves, tree = leaves_of(70), Tree()
    for start in range(0, 70, 9):
        tree.add(leaves[start : start + 9])
    assert (tree.root(), tree.size, Tree().root()) == (root(leaves), 70, root([]))
