"""The core's statistics of texts, against the Python path."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fasttext.FastText import _FastText
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native
from finest.recipe.chunks import ChunkSplitter
from finest.recipe.language import LanguageModel, shipped_model
from finest.recipe.minhash import Signer, _simplify, simplify
from finest.recipe.ngrams import Ngrams
from finest.recipe.recipe import DedupRules
from finest.recipe.tokens import TokenCounter
from finest.recipe.word_counts import FIELD, counts_of
from finest.recipe.words import Tokenizer, _opened
from tests.deep import CODES, NIGHTLY, examples
from tests.late import Late
from tests.recipe.native.fuzz import Texts

WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "the", "é", "日本", "x" * 70]), max_size=60)
TEXTS = st.text(alphabet=st.sampled_from(list("abeilst'AZ019 .,-\n\t\r\x0b\x1c\x85\xa0é日😀’—½…\u2028")), max_size=80)
SIZES = (1, 2, 3, 4, 5, 10)
TOKENIZER = Late(Tokenizer)
pytestmark = pytest.mark.usefixtures("core")


@given(WORDS, st.integers(0, 2**64 - 1))
def test_repeated_ngrams(words: list[str], seed: int) -> None:
    """Counts are the Python path's exact ones, whatever the seed."""
    tops, duplicated = native.core().ngram_chars(" ".join(words), SIZES, SIZES, seed)
    python = Ngrams(words)
    assert tops == [python.top_chars(n) for n in SIZES]
    assert duplicated == [python.duplicated_chars(n) for n in SIZES]


def test_an_ngram_of_no_words(core: Any) -> None:
    """There is none."""
    with pytest.raises(ValueError, match="one word or more"):
        core.ngram_chars("a", (0,), (), 1)


@given(TEXTS)
@settings(max_examples=examples(50, 3_000))
def test_token_counts(text: str) -> None:
    """Text by text as the tokenizer itself counts them."""
    assert COUNTER.count(text) == len(COUNTER._tokenizer.encode(text).ids)


COUNTER = Late(TokenCounter)


ODD = [
    "a" * 5000, "don't we'll I'm X's 'tis ''s", "1,234.5 per-cent (x)", "\n\n  \n x", "the\u00a0end", " ", "",
    "!!!???" * 50, "internationalisation of supercalifragilistic things",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_token_counts_of_odd_texts(text: str) -> None:
    """Long runs, contractions, numbers, white space of all kinds."""
    assert COUNTER.count(text) == len(COUNTER._tokenizer.encode(text).ids)


@pytest.mark.slow
def test_token_counts_with_every_character_of_old_blocks() -> None:
    """Beside letters, numbers, others and white space: what the core takes it for is what the library does."""
    for code in range(0x3000):
        text = f"a{(char := chr(code))}a 1{char}1 {char}.{char} '{char}s{char}{char} \n {char}"
        assert COUNTER.count(text) == len(COUNTER._tokenizer.encode(text).ids), hex(code)


@given(WORDS)
@settings(max_examples=examples(40, 200))
def test_signatures(words: list[str]) -> None:
    """MinHash signatures, with shingles longer and shorter than a block of SHA-1."""
    signer = Signer(DedupRules())
    lowest = native.core().minhash_lowest(" ".join(words), 5, signer._factors, signer._offsets, True)
    shingles = signer._shingles(words)
    if not len(shingles):
        assert lowest is None
    else:
        assert (np.frombuffer(lowest, np.uint64) == signer._permuted_minimum(shingles)).all()


@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("aB 1.2,\n“ÉΣ\u0301١٫İ…\u00a0가"), max_size=30)
)
def test_simplified_texts(text: str) -> None:
    """Numbers, marks, what stands between words: as Python simplifies them."""
    assert simplify(text) == _simplify(text)


@pytest.mark.slow
def test_every_character_is_simplified_alike() -> None:
    """Alone, inside a word, beside a number, and under a mark."""
    for code in (0, *CODES):
        text = f"a{(char := chr(code))}B {char}\u0301 {char}1.2{char}3"
        assert simplify(text) == _simplify(text), hex(code)


@pytest.mark.parametrize("size", [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128, 300])
def test_shingles_of_any_length(size: int) -> None:
    """Beside short ones: a digest takes one block of 64 bytes, or more."""
    words = ["a", "b" * size, "c", "d", "e", "f", "g" * (size // 2), *map(str, range(40))]
    signer = Signer(DedupRules())
    lowest = native.core().minhash_lowest(" ".join(words), 5, signer._factors, signer._offsets, True)
    shingles = signer._shingles(words)
    expected = signer._permuted_minimum(shingles)
    assert np.array_equal(np.frombuffer(lowest, np.uint64), expected)


def test_signature_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with and without the core."""
    signer, text = Signer(DedupRules()), "The ferry leaves the old harbour at seven, 1,000 times. " * 3 + "É à la " * 20
    found = signer.sign(text, TOKENIZER)
    monkeypatch.setattr(native, "core", lambda: None)
    expected = signer.sign(text, TOKENIZER)
    assert found is not None
    assert expected is not None
    assert (found == expected).all()


SHA256 = hashlib.sha256(shipped_model().read_bytes()).hexdigest()
LINES = [
    "Hello world, this is the sea.", "Guten Tag", "素早い茶色の狐", "a", " ", "a\0b\tc", "</s> x", "__label__en x y",
    "é" * 999, "x " * 4000, "\u2028", "ΟΔΟΣ και", "</s>", "__label__xx only",
]  # fmt: skip
EVERYWHERE = [
    ("en", "0x1.e3910e0000000p-1"), ("de", "0x1.8ca0180000000p-2"), ("ja", "0x1.e0ddc60000000p-1"),
    ("en", "0x1.fdf8180000000p-4"), ("en", "0x1.fdf8180000000p-4"), ("en", "0x1.fdf8180000000p-4"),
    ("en", "0x1.fdf8180000000p-4"), ("es", "0x1.cdbe220000000p-1"), ("fr", "0x1.9a320a0000000p-1"),
    ("en", "0x1.fdf8180000000p-4"), ("en", "0x1.fdf8180000000p-4"), ("el", "0x1.63eb960000000p-1"),
    ("en", "0x1.fdf8180000000p-4"), ("en", "0x1.48877e0000000p-1"),
]  # fmt: skip


def test_language_scores_are_fasttexts() -> None:
    """Every probability, to its last bit; elsewhere than on x86-64, fastText's own wheels fuse products and sums."""
    ours, model = LanguageModel.load(shipped_model(), SHA256), _FastText(str(shipped_model())).f
    exactly = platform.machine() == "x86_64"
    for text in LINES:
        expected = {label: score for score, label in model.predict(text + "\n", -1, 0.0, "strict")}
        found = {f"__label__{key}": score for key, score in ours._scores(text).items()}
        assert found == (expected if exactly else pytest.approx(expected, abs=1e-6)), text


def test_language_scores_are_the_same_on_every_machine() -> None:
    """To the last bit, as an x86-64 found them: verdicts of validators with different machines must not differ."""
    ours = LanguageModel.load(shipped_model(), SHA256)
    assert [(label, score.hex()) for label, score in map(ours.best, LINES)] == EVERYWHERE


@pytest.mark.parametrize("size", [0, 3, 60, 1000, 500_000])
def test_a_broken_model_is_not_read(core: Any, size: int) -> None:
    """A file that ends too early gives no model."""
    assert core.language_open(shipped_model().read_bytes()[:size]) is None


def test_a_model_with_any_byte_changed_is_read_or_not(core: Any) -> None:
    """Wrong numbers in a model's head never lead out of its tables."""
    data = bytearray(shipped_model().read_bytes())
    for at in [*range(0, 140, 1 if NIGHTLY else 7), 1000, 100_000, len(data) // 2, len(data) - 3]:
        for value in (0, 1, 127, 255):
            old, data[at] = data[at], value
            model = core.language_open(bytes(data))
            if model is not None:
                core.language_scores(model, b"Hello world of the sea\n")
            data[at] = old


def tiny_model(
    *, bucket: int = 100, row: int = 0, parts: int = 2, width: int = 1, last: int = 1, count: int = 5
) -> bytes:
    """A model of two numbers a row, of one word and two labels, with one n-gram."""
    entries = b"".join(
        word + b"\0" + struct.pack("<qb", times, kind)
        for word, times, kind in ((b"sea", 9, 0), (b"__label__en", count, 1), (b"__label__de", 3, 1))
    )
    floats = np.linspace(-1, 1, 512, dtype="<f4").tobytes()
    return b"".join((
        struct.pack("<12i", 793712314, 12, 2, 5, 1, 1, 0, 1, 1, 3, bucket, 1),
        struct.pack("<iid", 3, 100, 0.0),
        struct.pack("<iiiqq", 3, 1, 2, 17, 1) + entries + struct.pack("<ii", 70, row),
        struct.pack("<??qqi", True, False, 4, 2, 8) + bytes(range(8)),
        struct.pack("<4i", 2, parts, width, last) + floats,
        struct.pack("<?qq", False, 2, 2) + floats[:16],
    ))  # fmt: skip


def test_a_tiny_model_is_read(core: Any) -> None:
    """The model that the next test breaks."""
    model = core.language_open(tiny_model())
    assert set(core.language_scores(model, b"the sea\n")) == {"__label__en", "__label__de"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"row": 3},  # behind the last row, and in the last group of 64 n-grams
        {"row": 1_000_000},
        {"count": 2 * 10**15},  # more than the branches that are not built yet: a tree with a loop
        {"count": -1},
        {"parts": 2**16 + 1, "width": 2**16, "last": 2},  # 2 in arithmetic of 32 bits
        {"bucket": 60},
    ],
)
def test_a_model_that_leads_out_of_its_tables_is_not_read(core: Any, wrong: dict[str, int]) -> None:
    """Whatever its numbers say, none is followed out of memory."""
    assert core.language_open(tiny_model(**wrong)) is None


PARTS = [
    "a", "Sun", "the", "U", "US", "C", "A", "$", "0", "12", "km", "g", "m/s", ".", "..", ",", "-", "--", "'", '"',
    "(", ")", "[", ":", ";", "!", "?", "/", "~", "=", "<", "+", "*", "^", "&", "#", "%", "_", "@", "|", "`", "'s", "'S",
    "n't", "'ll", "www", ".com", "e.g", "8am", ":)", "\x7f",
]  # fmt: skip
ASCII = [chr(code) for code in range(33, 127)]
SPLITTER = ChunkSplitter()
RUNS = st.builds(lambda text, times: text * times, st.text(st.sampled_from(ASCII), max_size=3), st.integers(1, 200))


@pytest.fixture(scope="module")
def rules() -> Any:
    core = native.core()
    if core is None:
        pytest.skip(f"no compiled core: {native.missing()}")
    return _opened(core, SPLITTER)


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join)
    | st.text(st.sampled_from(ASCII), min_size=1, max_size=8)
    | st.builds("{0}{1}{2}".format, RUNS, st.sampled_from(["", *PARTS]), RUNS)
)
@settings(max_examples=examples(120, 30_000))
def test_chunks(rules: Any, chunk: str) -> None:
    """A chunk that the core splits has the tokens and counts of the Python path, and no neighbour that matters."""
    found = native.core().splitter_split(rules, chunk)
    if found is None:
        return
    tokens, non_symbol, chars, alpha = found
    assert SPLITTER.split(chunk) == (tokens, (), ())
    assert non_symbol + (chars << FIELD) + (alpha << 2 * FIELD) == counts_of(tokens)


@pytest.mark.parametrize(
    "chunk", ["word", "word,", "(word)", "10-20", "well-known", "his/her", "1,000", "#tag", "x=y", "100%", "5km", "1.5",
              "don't", "(don't)", ":)", "(" * 1000, "'\"" * 1000, "a" * 1000, "é", "“été”,",
              "Ёлка.", "你好", "(ä)"]
)  # fmt: skip
def test_common_chunks_stay_in_the_core(rules: Any, chunk: str) -> None:
    """The bulk of what is new on a page, and what is long without end."""
    assert native.core().splitter_split(rules, chunk) is not None


@pytest.mark.parametrize("chunk", ["é-é", "", "a.b", "foo:)", "US$", "5é", "é’s"])
def test_other_chunks_are_left_to_python(rules: Any, chunk: str) -> None:
    """Special cases that affixes spell, dots inside, whatever is not ASCII and has more than letters and marks."""
    assert native.core().splitter_split(rules, chunk) is None


@pytest.fixture(scope="module")
def in_python() -> Tokenizer:
    """A tokenizer without the core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "core", lambda: None)
        return Tokenizer()


TEXT = st.lists(
    st.sampled_from([*PARTS, "foo:)", ")", "é", "“don’t", "IS_ALPHA", "\u00a0", "\x1c"]) | st.sampled_from([" ", "\n"])
).map("".join)


@given(TEXT)
@settings(max_examples=examples(60, 5_000))
def test_words(in_python: Tokenizer, text: str) -> None:
    """All words of a text and their counts, special cases across chunks and spaCy's own quirk included."""
    assert TOKENIZER.words(text) == in_python.words(text)


@pytest.mark.parametrize(
    ("text", "is_linked"),
    [("foo:) )", True), ("foo:)\u00a0)", True), ("foo:)\n)", False), ("foo:) (", False), ("foo:) bar )", False)],
)
def test_only_neighbours_in_a_line_send_a_text_to_python(in_python: Tokenizer, text: str, is_linked: bool) -> None:
    """A chunk that another one may change costs nothing more while no such chunk is beside it."""
    core, rules = TOKENIZER._memo.core or pytest.skip(f"no compiled core: {native.missing()}")
    assert core.splitter_words(rules, text, TOKENIZER._memo)[-1] == is_linked
    assert TOKENIZER.words(text) == in_python.words(text)


def test_a_long_chunk_is_split_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not remembered costs no more than it does in Python alone, special cases in reach or not."""
    tokenizer, chunks = Tokenizer(), []
    split = tokenizer._splitter.split

    def counted(chunk: str) -> Any:
        chunks.append(chunk)
        return split(chunk)

    monkeypatch.setattr(tokenizer._splitter, "split", counted)
    for text in ("'s" * 100, "a " + "'s" * 100):
        chunks.clear()
        tokenizer.words(text)
        assert chunks == ["'s" * 100]


GUIDED = json.loads(gzip.decompress((Path(__file__).parent / "guided_texts.json.gz").read_bytes()))
"""Texts that led fuzz.py on: few that go wherever all went in the core."""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="fastText's own wheels fuse products and sums elsewhere")
def test_guided_texts() -> None:
    """Broken texts of all kinds, each day each third, have one set of statistics on both paths."""
    both = Texts()
    for text in GUIDED[:: 1 if NIGHTLY else 3]:
        assert both.by_core(text) == both.in_python(text), text
