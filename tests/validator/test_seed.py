"""The draw: public, the same for everybody, and even."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.errors import UsageError
from finest.validator.seed import Draw, make_seed

HASH = "0x" + "ab" * 32
SEED = "00" * 32
EXPECTED = [118880, 525839, 981904, 592001, 176157]
SEEDS = st.binary(min_size=32, max_size=32).map(bytes.hex)


def test_a_seed_is_the_sha256_of_its_three_parts() -> None:
    """As the docs have it, so that any language makes the same."""
    parts = (bytes.fromhex("ab" * 32), b"fd1:a/b@c#d", b"5Validator")
    told = b"finest-seed/1" + b"".join(struct.pack("<Q", len(part)) + part for part in parts)
    assert make_seed(HASH, "fd1:a/b@c#d", "5Validator") == hashlib.sha256(told).hexdigest()


def test_every_part_changes_the_seed() -> None:
    """Block, line and validator each; and nothing slips from one part into the next."""
    seeds = {
        make_seed(HASH, "line", "hotkey"), make_seed("0x" + "cd" * 32, "line", "hotkey"),
        make_seed(HASH, "lineh", "otkey"), make_seed(HASH, "line", "hotkez"),
    }  # fmt: skip
    assert len(seeds) == 4


@pytest.mark.parametrize("block_hash", ["", "ab" * 32, "0x" + "AB" * 32, "0x" + "ab" * 31])
def test_no_seed_of_what_is_no_hash(block_hash: str) -> None:
    """A hash in another form would give another seed."""
    with pytest.raises(UsageError):
        make_seed(block_hash, "line", "hotkey")


def test_the_draw_never_changes() -> None:
    """Evidence of years ago can be replayed: these numbers are the format's."""
    assert Draw(SEED, "rows").sample(1_000_000, 5) == EXPECTED
    first = hashlib.sha256(bytes(32) + b"rows\0" + struct.pack("<Q", 0)).digest()
    assert Draw(SEED, "rows").below(2**64) == int.from_bytes(first[:8], "little")


@given(SEEDS, st.integers(0, 300), st.integers(0, 300))
def test_a_sample_is_of_different_numbers(seed: str, size: int, count: int) -> None:
    """Without replacement, within its bounds, all of them where there are too few."""
    drawn = Draw(seed, "rows").sample(size, count)
    assert len(set(drawn)) == len(drawn) == min(size, count)
    assert all(0 <= number < size for number in drawn)


@given(SEEDS, st.integers(1, 10**12), st.integers(0, 60), st.integers(0, 60))
def test_a_shorter_sample_begins_a_longer_one(seed: str, size: int, one: int, other: int) -> None:
    """Who looks at fewer looks at the same ones first."""
    short, long = sorted((Draw(seed, "rows").sample(size, n) for n in (one, other)), key=len)
    assert long[: len(short)] == short


def test_labels_draw_apart() -> None:
    """Which rows are looked at says nothing of which windows are."""
    assert Draw(SEED, "rows").sample(10**9, 8) != Draw(SEED, "windows").sample(10**9, 8)


def test_each_number_is_as_likely() -> None:
    """30,000 draws below 30: each about 1,000 times (5 sigma)."""
    draw = Draw(SEED, "even")
    counts = Counter(draw.below(30) for _ in range(30_000))
    assert len(counts) == 30
    assert all(abs(count - 1_000) < 5 * 31 for count in counts.values())


def test_numbers_past_the_last_multiple_are_passed_over() -> None:
    """Below 2^63 + 1 nearly half of what comes would favour small results."""
    draw = Draw(SEED, "bias")
    drawn = [draw.below(2**63 + 1) for _ in range(400)]
    assert sum(number < 2**62 for number in drawn) < 260  # 200 expected; 300 with the modulus alone


@pytest.mark.parametrize("seed", ["", "zz" * 32, "00" * 31])
def test_what_is_no_seed_is_said(seed: str) -> None:
    """A person's seed is checked."""
    with pytest.raises(UsageError):
        Draw(seed, "rows")
