"""The Merkle tree: every row counts, and proofs prove."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.dataset.merkle import Leaves, proof, root, verify_proof

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


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), LEAF), max_size=40), st.data())
def test_order_of_arrival_does_not_matter(rows: list[tuple[str, bytes]], data: st.DataObject) -> None:
    """Rows are sorted by id as UTF-8 bytes, then by hash, however they come."""
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    table = Leaves()
    for part in (shuffled[:cut], shuffled[cut:]):
        table.add([id for id, _ in part], [digest for _, digest in part])

    expected = sorted(rows, key=lambda r: (r[0].encode(), r[1]))
    assert list(table.sorted()) == [digest for _, digest in expected]
    assert table.sorted().root() == root([digest for _, digest in expected])


def test_shared_ids_are_found() -> None:
    """Two rows with one id are found wherever they lie, also across the blocks that are looked at together."""
    ids = [f"{n:07d}" for n in range(70_000)]
    for twice in (0, 65_535, 65_536, 69_999):
        table = Leaves()
        table.add([*ids, ids[twice]], [bytes(32)] * 70_001)
        assert table.sorted().duplicate_id() == ids[twice]
    table = Leaves()
    table.add(random.Random(1).sample(ids, len(ids)), [bytes(32)] * 70_000)
    assert table.sorted().duplicate_id() is None
    assert Leaves().sorted().duplicate_id() is None


def test_hashes_have_32_bytes() -> None:
    """A hash of another length is refused."""
    with pytest.raises(ValueError, match="31 bytes"):
        Leaves().add(["a"], [bytes(31)])
