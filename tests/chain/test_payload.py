"""The line that a miner commits."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finest.chain.payload import LIMIT_BYTES, MAX_REPO, MIN_ROOT_DIGITS, Commitment, decode, encode
from finest.errors import UsageError
from tests.deep import examples

REVISION = "0123456789abcdef0123456789abcdef01234567"
ROOT = "fedcba9876543210" * 4

names = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_.]{0,22}[A-Za-z0-9_])?", fullmatch=True).filter(
    lambda name: ".." not in name and not name.endswith(".git")
)
digits = st.text("0123456789abcdef", min_size=64, max_size=64)


def test_the_line_of_an_ordinary_dataset() -> None:
    """Format and shortening, written out."""
    line = encode("alice/finest-CC-MAIN-2025-26", REVISION, ROOT)
    assert line == f"fd1:alice/finest-CC-MAIN-2025-26@{REVISION}#{ROOT[:54]}"
    assert len(line) == LIMIT_BYTES


def test_a_short_name_keeps_the_whole_root() -> None:
    """Nothing is cut without need."""
    assert encode("a/finest", REVISION, ROOT) == f"fd1:a/finest@{REVISION}#{ROOT}"


def test_the_longest_name_keeps_128_bits() -> None:
    """At the limit the root has 32 digits, and one character more is refused with the way out."""
    repo = "a" * 20 + "/" + "b" * (MAX_REPO - 21)
    line = encode(repo, REVISION, ROOT)
    assert len(line) == LIMIT_BYTES
    assert decode(line) == Commitment(repo, REVISION, ROOT[:MIN_ROOT_DIGITS])
    with pytest.raises(UsageError, match=r"51 characters, but a commitment allows 50: publish under a shorter name"):
        encode(repo + "b", REVISION, ROOT)


@settings(max_examples=examples(10, 200))  # a name takes as long to make as ten commitments
@given(names, names, digits.map(lambda text: text[:40]), digits)
def test_what_is_encoded_is_decoded(namespace: str, name: str, revision: str, root: str) -> None:
    """Round trip, within the chain's bytes, and the whole root is recognised."""
    repo = f"{namespace}/{name}"
    line = encode(repo, revision, root)
    said = decode(line)
    assert len(line.encode()) <= LIMIT_BYTES
    assert said is not None
    assert (said.repo, said.revision) == (repo, revision)
    assert said.covers(root)
    assert encode(said.repo, said.revision, root) == line


@pytest.mark.parametrize(
    "repo",
    [
        "finest",
        "a/b/c",
        "/b",
        "a/",
        "a b/c",
        "ä/b",
        "a/-b",
        "a/b-",
        "a/b..c",
        "a/b--c",
        "a/b.git",
        "a/b@c",
        "a/b#c",
        "",
    ],
)
def test_a_name_that_the_hub_would_refuse_is_refused(repo: str) -> None:
    """Before anything is sent; nor is such a line read."""
    with pytest.raises(UsageError, match="repository name"):
        encode(repo, REVISION, ROOT)
    assert decode(f"fd1:{repo}@{REVISION}#{ROOT}") is None


@pytest.mark.parametrize(
    ("revision", "root"),
    [("main", ROOT), (REVISION.upper(), ROOT), (REVISION, ROOT[:63]), (REVISION, "g" * 64)],
)
def test_only_a_pinned_revision_and_a_whole_root_are_taken(revision: str, root: str) -> None:
    """A branch moves, a piece of a root proves less: both are refused."""
    with pytest.raises(UsageError):
        encode("a/b", revision, root)


def test_a_root_shorter_than_fits_is_no_line_of_ours() -> None:
    """A miner cannot choose a root that is easier to collide with."""
    assert decode(f"fd1:a/b@{REVISION}#{ROOT[:32]}") is None


def test_another_root_is_not_covered() -> None:
    """A commitment covers the datasets whose root begins so, whole roots only."""
    said = Commitment("a/b", REVISION, ROOT[:32])
    assert said.covers(ROOT)
    assert not said.covers("0" * 64)
    assert not said.covers(ROOT[:40])


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.lists(st.text())))
@example("fd1:")
@example("fd1:a/b@" + "0" * 40 + "#")
@example("fd1:" + "a" * 100_000)
@example("fd1:" + "a/" * 50_000 + "@" + "0" * 40 + "#" + "0" * 64)
@example(f"fd1:a/b@{REVISION}#{ROOT}\n")
@example(f"fd1:a/\u0661@{REVISION}#{ROOT}")
@example("\ud800")
def test_garbage_is_merely_no_commitment(text: object) -> None:
    """Decoding never raises."""
    assert decode(text) is None
