"""The tokens of languages that other libraries split, against DataTrove's own tokenizers."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import pytest
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import PUNCTUATION_SET, simplify_text
from datatrove.utils.word_tokenizers import load_word_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import gopher
from finest.recipe.chinese import chinese_cutter
from finest.recipe.languages import deciding_libraries
from finest.recipe.minhash import Signer
from finest.recipe.ngrams import Ngrams
from finest.recipe.recipe import DedupRules, GopherQualityRules, GopherRepetitionRules
from finest.recipe.words import Words, tokenizer_for
from tests.deep import examples, sampled

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = {
    "cmn_Hani": ("jieba", "我爱北京天安门。你好 world，第3.5号！\n他说：“机器学习（ML）很有趣。”　完"),
    "jpn_Jpan": ("sudachipy", "私は東京に住んでいます。Google Chromeを使う。\n「機械学習」は３％、面白い…　終わり"),
    "kor_Hang": ("kiwipiepy", "나는 학교에 간다. 기계 학습은 재미있다!\n서울, 2024년 123,456,789,012,345,678,901 끝"),
    "tha_Thai": ("pythainlp", "ผมรักประเทศไทย และ ภาษาไทย 2024\nสวัสดีครับ (ทดสอบ)"),
    "vie_Latn": ("pyvi", "Hà Nội là thủ đô của Việt Nam. Học máy rất thú vị!\nNăm 2024, thành phố Hồ Chí Minh"),
    "hin_Deva": ("indicnlp", "मैं भारत से हूँ। यह एक परीक्षण है, 2024.\nनमस्ते दुनिया"),
    "khm_Khmr": ("khmernltk", "ខ្ញុំស្រឡាញ់ប្រទេសកម្ពុជា។ ឆ្នាំ 2024"),
    "lao_Laoo": ("laonlp", "ຂ້ອຍຮັກປະເທດລາວ 2024"),
    "ace_Arab": ("spacy", "السلام عليكم، (اختبار) 2024.\nنعم"),
}
SLOW = ("cmn_Hani", "kor_Hang", "vie_Latn", "tha_Thai")
"""Languages whose library takes seconds to load; the rest is tested every day."""
CODES = pytest.mark.parametrize(
    "code", [pytest.param(code, marks=[pytest.mark.slow] * (code in SLOW)) for code in SAMPLES]
)


@pytest.fixture(scope="module", autouse=True)
def _one_kiwi() -> None:
    """Its model takes four seconds to load, so both sides share one."""
    with suppress(ImportError):
        import kiwipiepy

        kiwipiepy.Kiwi = cache(kiwipiepy.Kiwi)


def sample(code: str) -> str:
    pytest.importorskip(SAMPLES[code][0])
    return SAMPLES[code][1]


@CODES
def test_words_and_sentences_are_datatroves(code: str) -> None:
    """Tokens with spaces in them, sentences and counts included."""
    text = sample(code)
    reference, ours = load_word_tokenizer(code), tokenizer_for(code)
    for one in (text, text * 3, f"{text}\n\n{text}", "", " \n", "abc, 1.5 (x)"):
        expected = reference.word_tokenize(one)
        words = ours.words(one)
        assert words.tokens == expected
        non_symbol = [word for word in expected if any(char not in PUNCTUATION_SET for char in word)]
        assert (words.n, words.non_symbol) == (len(expected), len(non_symbol))
        assert words.non_symbol_chars == sum(map(len, non_symbol))
        assert words.alpha == sum(any(map(str.isalpha, word)) for word in expected)
        assert words.joined == " ".join(expected)
    assert ours.sentences(text, 99) == len(reference.span_tokenize(text))


@pytest.mark.slow
def test_chinese_is_cut_as_by_jieba() -> None:
    """Words of its dictionary beside each other, characters at random, and blocks too long to be remembered."""
    jieba = pytest.importorskip("jieba")
    cut = chinese_cutter()
    words = sorted(jieba.dt.FREQ)[::97]
    characters = st.sampled_from("的一是不了人我在有他这中大来上国龥鿕鿖") | st.characters(
        min_codepoint=0x4E00, max_codepoint=0x9FFF
    )
    piece = st.sampled_from(words) | st.text(characters, max_size=5) | st.sampled_from("\r\n \u3000。，aZ9.%-_+#&")

    @settings(max_examples=examples(60, 20_000))
    @given(st.lists(piece, max_size=60).map("".join))
    def same(text: str) -> None:
        assert cut(text) == list(jieba.dt.cut(text))
        assert cut(text) == list(jieba.dt.cut(text))

    same()


@pytest.mark.parametrize("code", sampled(["jpn_Jpan", "cmn_Hani"]))
def test_any_text_is_cut_as_by_datatrove(code: str) -> None:
    """Without spaCy's documents around the words."""
    text = sample(code)
    reference, ours = load_word_tokenizer(code), tokenizer_for(code)
    pieces = [text[at : at + 4] for at in range(0, len(text), 3)]

    @settings(max_examples=examples(15, 2_000))
    @given(st.lists(st.sampled_from(pieces) | st.text(max_size=4), max_size=10).map("".join))
    def same(made: str) -> None:
        made = made.encode("utf-8", "ignore").decode()
        assert ours.tokens(made) == reference.word_tokenize(made)

    same()


@CODES
def test_signatures_and_filters_are_datatroves(code: str, tmp_path: Path) -> None:
    """MinHash by xxHash64, n-grams and stop words are those of DataTrove, whatever spaces its tokens have."""
    text = sample(code) + "\n" + "\n".join(f"{sample(code)} {number}" for number in range(8))
    ours, rules = tokenizer_for(code), DedupRules(hash="xxhash")
    config = MinhashConfig(
        n_grams=rules.n_grams, num_buckets=rules.buckets, hashes_per_bucket=rules.hashes_per_bucket, seed=rules.seed,
        hash_config=HashConfig(precision=64, hash_fc="xxhash"),
    )  # fmt: skip
    reference = MinhashDedupSignature(str(tmp_path), config, language=code)
    found = Signer(rules).sign(text, ours)
    assert found is not None
    assert found.tolist() == reference.get_signature(reference.get_shingles(text))
    words = ours.words(text)
    for limit in (0.02, 0.1, 0.3, 0.9):
        tops, dups = tuple((n, limit) for n in (2, 3, 4)), tuple((n, limit) for n in range(5, 11))
        wanted = GopherRepetitionFilter(
            dup_line_frac=0, dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0, top_n_grams=tops,
            dup_n_grams=dups, language=code,
        ).filter(_document(text))  # fmt: skip
        repetition = GopherRepetitionRules(
            dup_line_frac=0,
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            top_n_grams=tops,
            dup_n_grams=dups,
        )
        failed = next((check.reason for check in gopher.repetition(text, words, repetition) if check.failed), None)
        assert failed == (None if wanted is True else f"repetition_{wanted[1]}")
    stop_words = (words.tokens[0], words.tokens[-1], "absent")
    for least in (2, 3):
        wanted = GopherQualityFilter(
            min_doc_words=1, max_avg_word_length=99, min_avg_word_length=0, stop_words=list(stop_words),
            min_stop_words=least, max_non_alpha_words_ratio=0.1, language=code,
        ).filter(_document(text))  # fmt: skip
        quality = GopherQualityRules(
            min_doc_words=1, max_avg_word_length=99, min_avg_word_length=0, stop_words=stop_words,
            min_stop_words=least, min_alpha_words_ratio=0.1,
        )  # fmt: skip
        failed = next((check.reason for check in gopher.quality(text, words, quality) if check.failed), None)
        assert failed == (None if wanted is True else wanted[1].replace("gopher", "quality"))


def _document(text: str) -> object:
    from datatrove.data import Document

    return Document(text=text, id="0")


def test_ngrams_are_told_apart_by_their_text() -> None:
    """`a b` + `c` and `a` + `b c` are one 2-gram to DataTrove."""
    tokens = ("a b", "c", "x", "a", "b c", "y")
    words = Words(" ".join(tokens), 6, 6, 8, 6, tokens)
    assert Ngrams(list(tokens)).top_chars(2) == 2 * len("a b c")
    rules = GopherRepetitionRules(top_n_grams=((2, 0.5),), dup_n_grams=())
    assert any(check.failed for check in gopher.repetition("0123456789abcdef", words, rules))


def test_a_language_names_the_packages_that_decide_its_words() -> None:
    """With their versions; a language of spaCy's rules names none."""
    assert deciding_libraries(["deu_Latn", "aak_Latn"]) == {}
    pytest.importorskip("jieba")
    assert deciding_libraries(["cmn_Hani", "deu_Latn"]) == {"jieba": "0.42.1"}


def test_simplified_texts_of_other_scripts_keep_their_shape() -> None:
    """What MinHash compares is DataTrove's text in each script."""
    from finest.recipe.minhash import simplify

    for code, (_, text) in SAMPLES.items():
        assert simplify(text) == simplify_text(text), code
