"""The tokens of spaCy's languages: the rules that ship, the splitter in Python and the core, against spaCy itself."""

from __future__ import annotations

import gzip
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from datatrove.utils.word_tokenizers import SpaCyTokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native, spacy_rules
from finest.recipe.build_language import factored, rules, spacy_languages
from finest.recipe.chunks import ChunkSplitter
from finest.recipe.words import Tokenizer
from tests.deep import NIGHTLY, examples

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = spacy_languages()
SAMPLE = ("de", "ru", "pl", "it")
"""Languages of the everyday tests: words in capitals, special cases with spaces, prefixes of letters, any width."""
LANGUAGES = ALL if NIGHTLY else SAMPLE
PIECES = [
    *"()[]{}<>\"'`“”‘’„«»#*&_,;:!?….。،-–—/+=$€£%°@^~|\\ \n\t\u00a0\u3000\u0301aZéßяЯωΩ你ا한ก1²½١", "...", "..", ":)",
    ";-)", "10", "3,5", "km", "°C.", "US$", "http://a.b/c", "x@y.z", "A.", "z.B.", "'s", "n't", "l'", "d’", "1.", "12'",
    "<a b>", "-nya", "-ku", "M", "XIV", "USD", "Rp", "wort", "Wort", "слово", "Слово.", "word-word", "  ", "🙂", "'12",
    "długo-", "12°", "rendez-vous", "aujourd'hui", "da li", "и др.", "и пр.", "т. е.", "IS_", "\x85", "\u2028",
]  # fmt: skip


@cache
def reference(language: str) -> SpaCyTokenizer:
    """DataTrove's tokenizer, from its second text with spaCy's own symbol on."""
    made = SpaCyTokenizer(language)
    made.word_tokenize("IS_ALPHA")
    return made


@cache
def in_python(language: str) -> Tokenizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "core", lambda: None)
        return Tokenizer(language)


@cache
def special_cases(language: str) -> list[str]:
    return sorted(spacy_rules.read(language)["special"])


def texts(language: str) -> st.SearchStrategy[str]:
    """Mixtures of special cases, marks, scripts and words."""
    part = st.sampled_from(PIECES) | st.sampled_from(special_cases(language)) | st.text(max_size=3) | st.just(" ")
    joined = st.lists(part, max_size=12).map("".join)
    return joined.map(lambda text: text.encode("utf-8", "ignore").decode().replace("IS_ALPHA", ""))


def assert_same(language: str, text: str) -> None:
    """Both paths have the tokens and the number of sentences that DataTrove has, and each other's counts."""
    expected = reference(language).word_tokenize(text)
    words = both(language)[0].words(text)
    assert words.tokens == expected, repr(text)
    assert both(language)[1].words(text) == words, repr(text)
    sentences = len(reference(language).span_tokenize(text))
    assert both(language)[0].sentences(text, sys.maxsize) == sentences, repr(text)


@cache
def both(language: str) -> tuple[Tokenizer, Tokenizer]:
    return Tokenizer(language), in_python(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_text_has_spacys_tokens(language: str) -> None:
    """Affixes, special cases, URLs, scripts and whitespace of every kind are split as spaCy splits them."""

    @settings(max_examples=examples(25, 200))
    @given(texts(language))
    def same(text: str) -> None:
        assert_same(language, text)

    same()


@pytest.mark.parametrize("language", ALL if NIGHTLY else ("ru",))
def test_special_cases_across_spaces_are_spacys(language: str) -> None:
    """Only the chunks around a special case that crosses a space are split together, with the same tokens."""
    cases = special_cases(language)
    spaced = [case for case in cases if " " in case] or cases
    words = sorted({word for case in spaced for word in (case, *case.split(), *re.findall(r"\w+|\W", case)) if word})
    part = st.sampled_from(words) | st.sampled_from(words) | st.sampled_from(["слово", "(", ")", ".", ",", "IS_", "a."])

    @settings(max_examples=examples(40, 200))
    @given(st.lists(part, max_size=30), st.sampled_from((" ", " ", "  ", "\n")))
    def same(parts: list[str], gap: str) -> None:
        assert_same(language, " ".join(parts).replace(" слово ", f" слово{gap}"))

    same()


@pytest.mark.parametrize("language", LANGUAGES)
def test_special_cases_keep_their_tokens_beside_others(language: str) -> None:
    """Special cases come out alike, alone, within affixes and beside other chunks."""
    cases = special_cases(language)
    for case in cases[:: 1 if NIGHTLY else max(1, len(cases) // 40)]:
        for affixes in ("{}", "({}),", "„{}.”", "x{}", "{} )", ": {}", "{}\n)"):
            assert_same(language, affixes.format(case))


@pytest.mark.parametrize(
    "text",
    ["и др.", "и  др.", "и\nдр.", "(и др.)", "и др., и пр.", "и др", "д-р биол. наук", "вед. науч. сотр. )", "и др.и"],
)
def test_special_cases_with_a_space_are_one_token(text: str) -> None:
    """Only a single space joins them, as in spaCy; such a token is in Words.spaced."""
    assert_same("ru", text)
    assert_same("ru", f"слово {text} слово\n{text}\n\nслово")


def test_a_token_with_a_space_is_told() -> None:
    words = both("ru")[0].words("пример и др.\nслово")
    assert words.spaced == ("пример", "и др.", "слово")
    assert (words.n, words.joined) == (3, "пример и др. слово")


@pytest.mark.parametrize("language", ALL if NIGHTLY else ("de",))
def test_the_rules_are_those_of_the_pinned_spacy(language: str) -> None:
    """What ships is what the installed spaCy gives, and what is proved of it holds."""
    assert spacy_rules.read(language) == json.loads(json.dumps(rules(language)))


def test_every_language_has_its_rules() -> None:
    """No tokenizer that DataTrove assigns lacks a file, and no file is left over."""
    assert {path.name.removesuffix(".json.gz") for path in spacy_rules.RULES.iterdir()} == set(ALL)


def test_the_bulk_of_words_stays_in_the_core() -> None:
    """Words of letters, with marks around them or a last dot, are split without Python in any script."""
    if native.core() is None:
        pytest.skip(native.missing())
    for language in ("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "sv", "da", "xx", "ar"):
        tokenizer = Tokenizer(language)
        for chunk in (
            "Straße",
            "(été)",
            "„łódź”",
            "слово!",
            "你好。",
            "العربية،",
            "2024",
            *["word."] * (language != "ar"),
        ):
            core, splitter = tokenizer._memo.core or (None, None)
            assert core is not None and splitter is not None
            assert core.splitter_split(splitter, chunk) is not None, (language, chunk)


def test_factored_alternatives_match_the_same_texts() -> None:
    """Equal ends of alternatives are written once; what matches stays the same."""
    many = "[" + "".join(chr(code) for code in range(ord("a"), ord("a") + 26)) * 9 + "]"
    plain = "(?iu)" + "|".join(f"(?:^{one}$)" for one in (f"a-b{many}+", f"c[-]d{many}*", f"{many}+-en-(?:l')?{many}+"))
    short = factored(plain)
    for text in ("a-bx", "a-b", "A-BX", "c-d", "c-dd", "x-en-y", "x-en-l'y", "x-en-", "ab", "a-bx-"):
        assert bool(re.match(plain, text)) == bool(re.match(short, text)), text


@pytest.mark.slow
@pytest.mark.parametrize("language", ["de", "ru", "xx"])
def test_long_runs_are_split_in_linear_time(language: str) -> None:
    """A page of nothing but punctuation is split at once, where spaCy takes minutes."""
    for text in ("(" * 200_000, "." * 200_000, "!" * 200_000 + "a", "a-" * 50_000, "é:" * 100_000 + ".b"):
        assert "".join(both(language)[0].tokens(text)) == text


@pytest.mark.corpus
@pytest.mark.nightly
@pytest.mark.parametrize("language", ALL)
def test_real_texts_are_split_as_by_spacy(language: str, corpus: Path) -> None:
    """All texts of the language that people marked, and some of every other language."""
    with gzip.open(corpus / "pages.jsonl.gz", "rt", encoding="utf-8") as file:
        marked = [page for page in map(json.loads, file) if page.get("gold_text")]
    own = [page["gold_text"] for page in marked if page["language"] == language]
    for text in own + [page["gold_text"] for page in marked[::50]]:
        assert_same(language, text)


def test_a_splitter_serves_any_script() -> None:
    """A text in another script than the language's has spaCy's tokens too."""
    split: Callable[[str], object] = ChunkSplitter("de").split
    assert split("слово,") == (("слово", ","), (), ())
    assert split("你好") == (("你好",), (), ())
