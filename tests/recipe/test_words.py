"""The one tokenisation, against spaCy's tokenizer and sentencizer as DataTrove runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from datatrove.utils.text import PUNCTUATION_SET
from datatrove.utils.word_tokenizers import SpaCyTokenizer
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text

from finest.recipe import spacy_rules
from finest.recipe import words as words_module
from finest.recipe.chunks import ChunkSplitter
from finest.recipe.words import Tokenizer
from tests.deep import NIGHTLY, examples
from tests.late import Late

DATATROVE = Late(lambda: SpaCyTokenizer("en"))
TOKENIZER = Late(Tokenizer)
SPECIAL_CASES = sorted(spacy_rules.read("en")["special"])
PIECES = [
    *":;=8)(DoOpP3-'’\"_*/<>.,!?…#$%°+~^&@Fkm[]{}|–—“”«»‘ \n\t\u00a0\u200b\u3000", "  ", "word", "Word", "WORD", "It",
    "a.m", "10", "US$", "km²", "km/h", "http://", "www.a.com", "x@y.org", "..", "...", "é", "你好", "Ph.D", "n't", "'s",
    "IS_", "ALPHA", "\x1c", "\x85", "\u2028", "🙂", "¿", "½", "№",
    "user:secret@host.com", "a:b", "@", "@host.org", "host.org:80/", "mailto:",
]  # fmt: skip


def assert_same(text: str, theirs: str | None = None) -> None:
    """The tokens and sentences are those that DataTrove finds in the same text, or in `theirs`."""
    theirs = text if theirs is None else theirs
    assert TOKENIZER.tokens(text) == DATATROVE.word_tokenize(theirs), repr(text)
    sentences = len(DATATROVE.span_tokenize(theirs))
    assert TOKENIZER.sentences(text, sys.maxsize) == sentences, repr(text)
    assert TOKENIZER.sentences(text, 2) == min(sentences, 2), repr(text)


@settings(max_examples=examples(80, 6_000))
@given(
    st.lists(st.one_of(st.sampled_from(SPECIAL_CASES), st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map(
        "".join
    )
)
def test_any_text_has_spacys_tokens_and_sentences(text: str) -> None:
    """Affixes, special cases, URLs and whitespace of every kind are split as spaCy splits them."""
    text = text.encode("utf-8", "ignore").decode().replace("IS_ALPHA", "")
    assert_same(text)


@pytest.mark.parametrize(
    "affixes", ["{}", "({}),", "“{}.”", "{}:)", "x{}", "{}x", "a/{}", "{} )", ": {}", "{}\n)", "{}s"]
)
def test_special_cases_keep_their_tokens_between_affixes(affixes: str) -> None:
    """spaCy's special cases come out alike, alone, within affixes and beside other chunks: each day each fourth."""
    for case in SPECIAL_CASES[:: 1 if NIGHTLY else 4]:
        assert_same(affixes.format(case))


@pytest.mark.parametrize(
    "text", ["foo:) )", "foo:)\n)", "foo:)  )", "( :)bar", "(8) )", "f(): (x)", "it:'( (", "::) ))"]
)
def test_special_cases_across_chunks_are_seen(text: str) -> None:
    """A longer special case that would reach into the next chunk forbids one within a chunk."""
    assert_same(text)
    assert_same(f"before {text} after\nand {text}")


def test_no_letter_is_a_symbol() -> None:
    """A token of letters counts as a word to Gopher."""
    assert not any(char.isalpha() for char in PUNCTUATION_SET)


def test_letters_alone_are_never_split() -> None:
    """No affix or infix of spaCy's is a letter, so a chunk of letters is one token unless it is a special case."""
    import spacy

    rules = spacy.blank("en").tokenizer
    for code in range(sys.maxunicode):
        char = chr(code)
        if char.isalpha():
            assert not rules.prefix_search(char)
            assert not rules.suffix_search(f"a{char}")
            assert not next(rules.infix_finditer(f"a{char}a"), None)


def test_counts_are_gophers() -> None:
    """The counts are those that DataTrove's Gopher filter takes from the tokens."""
    text = "Hello, world! It's 5 o'clock -- (really) … €5 ½ ♥ 你好。 foo:) ) :( ("
    words = TOKENIZER.words(text)
    non_symbol = [word for word in words.tokens if any(char not in PUNCTUATION_SET for char in word)]
    assert words.n == len(words.tokens) == TOKENIZER.count(text)
    assert (words.non_symbol, words.non_symbol_chars) == (len(non_symbol), sum(map(len, non_symbol)))
    assert words.alpha == sum(any(char.isalpha() for char in word) for word in words.tokens)


@pytest.mark.parametrize(
    "text", ["one IS_ALPHA two", "IS_ALPHA", "(IS_ALPHA) fooIS_ALPHA. Yes. IS_ALPHA", "a\nIS_ALPHA b"]
)
def test_the_token_that_spacy_cannot_hold_is_struck(text: str) -> None:
    """As in DataTrove if spaCy fails with it. Nearly always it does from the second such page of a process on, but that
    depends on what its memory held before.
    """
    assert_same(text, text.replace("IS_ALPHA", ""))


def test_a_token_with_its_letters_stays() -> None:
    assert_same("fooIS_ALPHA bar")


def test_what_is_remembered_is_bounded_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tokenizer that forgets after every text gives the same tokens."""
    monkeypatch.setattr(words_module, "_REMEMBERED_CHUNKS", 3)
    forgetful = Tokenizer()
    for text in ("one, two. three four", "(five) six's seven", "one, two. three four", "x" * 5000):
        assert forgetful.tokens(text) == TOKENIZER.tokens(text)
        assert len(forgetful._memo) <= 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "(" * 200_000,
        "." * 200_000,
        "!" * 200_000 + "a",
        "a-" * 50_000,
        "'s" * 100_000,
        "a:" * 100_000 + ".b",
        "x.y:" * 50_000 + "@-",
    ],
    ids=range(7),
)
def test_long_runs_are_split_in_linear_time(text: str) -> None:
    """A page of nothing but punctuation is split at once, where spaCy takes minutes."""
    assert "".join(TOKENIZER.tokens(text)) == text


@pytest.mark.corpus
@pytest.mark.nightly
def test_chunks_of_real_pages_are_split_as_by_spacy(corpus: Path) -> None:
    """Every distinct chunk of every fifth page of real WARCs (every day each 15th), in any language, is split alike."""
    import spacy

    found: set[str] = set()
    for path in sorted(corpus.glob("*-00.warc.gz")):
        with path.open("rb") as file:
            for number, record in enumerate(ArchiveIterator(file, record_types=WarcRecordType.response)):
                if number % (5 if NIGHTLY else 15) == 0:
                    found.update(extract_plain_text(record.reader.read().decode("utf-8", "ignore")).split())
    splitter, nlp = ChunkSplitter(), spacy.blank("en")
    ordered = sorted(chunk for chunk in found if len(chunk) < 1000)
    assert len(ordered) > 10_000
    for start in range(0, len(ordered), 1000):
        part = ordered[start : start + 1000]
        with nlp.memory_zone():
            expected = [token.text for token in nlp.tokenizer("\n".join(part))]
        ours = [token for chunk in part for token in (*splitter.split(chunk).tokens, "\n")]
        assert ours[:-1] == expected
