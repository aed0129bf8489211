"""Scores of quality models: integers, equal in the core and in Python."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native
from finest.recipe.quality_model import features, score_all
from finest.recipe.quality_model.hashing import MAX_BITS, MAX_TEXT_BYTES, MIN_BITS, indices
from tests.deep import examples
from tests.recipe.quality_model.made import CLASSES, model

MODELS = (model(bits=MIN_BITS), model(bits=9, classes=CLASSES, seed=1), model(bits=16, seed=2))
SHARING = (
    *MODELS,
    model(bits=16, seed=3),
    model(bits=9, classes=tuple("abcdefghij"), seed=4),
    model(bits=16, classes=CLASSES, seed=5),
    model(bits=MIN_BITS, classes=tuple("abcdefgh"), seed=6),
)
"""Some are of equal size, so the core keeps their weights in one table: of 5, of 9, and of 13 rows."""
WORDS = [
    "the",
    "The",
    "THE",
    "e-mail",
    "x_y",
    "12",
    "3.5",
    "é",
    "É",
    "日本",
    "Ж",
    "\x00",
    "\x7f",
    "\u2028",
    "!",
    "[",
    "`",
]
needs_core = pytest.mark.skipif(native.core() is None, reason="no compiled core to compare with")


def check(text: str | bytes) -> None:
    """The core's features and scores of a text are Python's."""
    assert features(text, MAX_BITS).tolist() == indices(text, MAX_BITS)
    for one, score in zip(MODELS, score_all(MODELS, text), strict=True):
        assert score == one.scored(one.table.sums(text)) == one.score(text)


def check_sharing(text: str | bytes) -> None:
    """The scores of models that share tables are Python's."""
    for one, score in zip(SHARING, score_all(SHARING, text), strict=True):
        assert score == one.scored(one.table.sums(text))


@needs_core
@given(st.lists(st.sampled_from(WORDS), max_size=80).map(" ".join))
@settings(max_examples=examples(40, 2_000))
def test_words_that_repeat(text: str) -> None:
    """Counts above one, and features that share an index, have the same values; whatever models share a table."""
    check(text)
    check_sharing(text)


def drawn(count: int) -> Iterator[bytes | str]:
    """Texts of random bytes, of characters of every script, and of words, a third each."""
    draw = random.Random(14)
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    for number in range(count):
        size = draw.randrange(1, 200)
        yield (
            draw.randbytes(size),
            "".join(map(chr, draw.choices(codes, k=size))),
            " ".join(draw.choices(WORDS, k=size)),
        )[number % 3]


@needs_core
def test_texts_of_all_scripts_and_random_bytes() -> None:
    """Nightly 100,000 texts."""
    for text in drawn(examples(250, 100_000)):
        check(text)


@needs_core
@pytest.mark.parametrize(
    "text", ["", " \n\t", "a", "!" * 400 + "a b " * 400, "x" * (MAX_TEXT_BYTES + 9), "é" * 600_000]
)
def test_borders(text: str) -> None:
    """No token, one token, counts beyond the core's memo, and texts beyond the bytes that are read."""
    check(text)
    check(text.encode())


@needs_core
@pytest.mark.parametrize("sign", [b" ", b"!", b"! ", b" !"])
def test_tokens_across_the_blocks_that_the_core_reads(sign: bytes) -> None:
    """Tokens of every length up to some beyond a block of 64 bytes, and across the core's pieces of 1,024 bytes."""
    text = sign.join(b"Ab9\xc3" * 20 + b"z" * 20 for _ in range(3))
    lengths = (*range(1, 20), 62, 63, 64, 65, 66, 127, 128, 129)
    for start in (*range(9), 56, 63, 64, 960, 1015, 1023, 1024, 2047):
        found = b"x" * start + sign + sign.join(text[:length] for length in lengths)
        assert features(found, MAX_BITS).tolist() == indices(found, MAX_BITS)
    check_sharing(found)


def test_only_the_first_mib_is_read() -> None:
    """The rest of a text has no effect."""
    start = "ab " * (MAX_TEXT_BYTES // 3) + "a"
    assert score_all(MODELS, start + "z or more") == score_all(MODELS, start)
    assert score_all(MODELS, start[:-1] + "z") != score_all(MODELS, start)


def test_tokens_are_ascii_words_and_single_signs() -> None:
    """ASCII folding alone: É and é differ, E and e do not; a byte beyond ASCII belongs to a word, a sign to none."""
    bits = MAX_BITS
    assert indices("Ab 1", bits) == indices("aB\n\x001", bits)
    assert indices("É", bits) != indices("é", bits)
    assert len(indices("naïve日本", bits)) == 1
    assert len(indices("a-b", bits)) == 3 + 2  # three tokens and two pairs
    assert features(b"a-b", bits).dtype == np.uint32


def test_a_score_is_weight_times_unit_vector() -> None:
    """By floating point within the rounding of the roots, times 256, rounded down."""
    text = "the cat and the dog and the cow"
    one = MODELS[2]
    counts = np.bincount(indices(text, 16), minlength=1 << 16)
    vector = np.sqrt(counts) / np.linalg.norm(np.sqrt(counts))
    exact = 256 * float(one.weights[0] @ vector) + one.bias[0]
    assert one.score(text).raw == pytest.approx(exact, rel=0, abs=256 * 2**15 * 3e-3 * 4)
    assert one.score("").raw == one.bias[0]


def test_bins_and_classes() -> None:
    """The bin counts the edges that are at most the raw score; the first of equal classes wins."""
    score, pages, _ = MODELS[0], MODELS[1], MODELS[2]
    assert score.scored((score.edges[4] - score.bias[0],)) == (score.edges[4], 5, "")
    assert score.scored((score.edges[0] - 1 - score.bias[0],))[1] == 0
    tied = tuple(7 - bias for bias in pages.bias)
    assert pages.scored(tied) == (0, 0, "article")
    assert pages.scored((tied[0], tied[1] + 5, tied[2] + 9)) == (4, 0, "listing")


def test_surrogates_have_no_bytes() -> None:
    """A lone surrogate is refused in the core and in Python; no page's text has one."""
    for function in (features, indices):
        with pytest.raises(UnicodeEncodeError):
            function("a\ud800", 8)


def test_bits_out_of_range() -> None:
    """No table has that many weights."""
    for bits in (MIN_BITS - 1, MAX_BITS + 1):
        with pytest.raises(ValueError, match="weights"):
            features("a", bits)
