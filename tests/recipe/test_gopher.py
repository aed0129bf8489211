"""Gopher's rules, against DataTrove's filters, on both sides of every threshold."""

from __future__ import annotations

import math
import re

import pytest
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)

from finest.recipe.gopher import quality, repetition
from finest.recipe.recipe import GopherQualityRules, GopherRepetitionRules
from tests.recipe.filters import TOKENIZER, assert_flips, decision, first_failed, prose, unique_words

LONG = [" ".join(unique_words(400)[i * 20 : i * 20 + 20]) for i in range(20)]
WORDS = unique_words(300)


def repeated_once(size: int, times: int) -> str:
    """Unique words in which `times` different n-grams of that size stand twice."""
    grams = [" ".join(WORDS[i * size : i * size + size]) for i in range(times)]
    fillers = iter(unique_words(300, length=6))
    parts = [f"{gram} {next(fillers)} {next(fillers)}" for gram in grams + grams]
    return " ".join([*parts, *(next(fillers) for _ in range(180))])


def frequent(gram: str, times: int) -> str:
    fillers = iter(WORDS)
    parts = [f"{gram} {next(fillers)}" for _ in range(times)]
    return " ".join([*parts, *(next(fillers) for _ in range(100))])


REPETITIVE = {
    "empty": ["", "word"],
    "dup_para_frac": ["\n\n".join(LONG[:10] + ["short"] * k) for k in range(10)],
    "dup_para_char_frac": ["\n\n".join([*WORDS[:20], *[" ".join(WORDS[30 : 30 + k])] * 2]) for k in range(40)],
    "dup_line_frac": ["\n".join(LONG[:10] + ["short"] * k) for k in range(10)],
    "dup_line_char_frac": ["\n".join([*WORDS[:20], *[" ".join(WORDS[30 : 30 + k])] * 2]) for k in range(40)],
    "top_2_gram": [frequent("alpha beta", k) for k in range(0, 60, 2)],
    "top_3_gram": [frequent("alpha beta gamma", k) for k in range(0, 40, 2)],
    "top_4_gram": [frequent("alpha beta gamma delta", k) for k in range(0, 30, 2)],
    **{f"duplicated_{n}_n_grams": [repeated_once(n, k) for k in range(0, 25, 2)] for n in range(5, 11)},
}


@pytest.mark.parametrize("name", REPETITIVE)
def test_repetition_decides_as_datatrove(name: str) -> None:
    """Each kind of repetition drops a page from the same text on."""
    filter_, rules = GopherRepetitionFilter(), GopherRepetitionRules()
    assert_flips(
        f"repetition_{name}",
        REPETITIVE[name],
        lambda text: decision("repetition", filter_, text)[0],
        lambda text, exact: first_failed(repetition(text, TOKENIZER.words(text), rules, exact=exact)),
    )


GOOD = ["the", "of", *unique_words(60)]
QUALITY = {
    "short_doc": [" ".join(["the", "of", *WORDS[:k]]) for k in range(44, 54)],
    "long_doc": [" ".join(["the", "of", *WORDS[:k]]) for k in range(90, 110)],
    "below_avg_threshold": [" ".join(GOOD + ["ab"] * k) for k in range(0, 160, 5)],
    "above_avg_threshold": [" ".join(["the", "of", *unique_words(60, length=k)]) for k in range(8, 14)],
    "too_many_hashes": [" ".join(GOOD) + " #" * k for k in range(12)],
    "too_many_ellipsis": [" ".join(GOOD) + " word..." * k for k in range(12)],
    "too_many_bullets": ["\n".join([f"- the {x} of" for x in LONG[:k]] + LONG[k:]) for k in range(15, 21)],
    "too_many_end_ellipsis": ["\n".join([f"the {x} of…" for x in LONG[:k]] + LONG[k:]) for k in range(3, 10)],
    "below_alpha_threshold": [" ".join(GOOD + [str(1000 + i) for i in range(k)]) for k in range(30)],
    "enough_stop_words": [" ".join(WORDS[:80] + ["the", "of", "and"][:k] * 2) for k in range(4)],
}


@pytest.mark.parametrize("name", QUALITY)
def test_quality_decides_as_datatrove(name: str) -> None:
    """Each quality rule drops a page from the same text on."""
    longest = 100 if name == "long_doc" else 100_000
    filter_, rules = GopherQualityFilter(max_doc_words=longest), GopherQualityRules(max_doc_words=longest)
    assert_flips(
        f"quality_{name}",
        QUALITY[name],
        lambda text: decision("quality", filter_, text)[0],
        lambda text, exact: first_failed(quality(text, TOKENIZER.words(text), rules, exact=exact)),
    )


@pytest.mark.parametrize("words", [["a", "bc", "d", "e", "f"], ["ab", "c", "d", "e", "f"], ["in", "to"], ["into"]])
def test_n_grams_are_compared_as_joined_text(words: list[str]) -> None:
    """DataTrove joins a repeated n-gram without spaces, so other words that spell it are the same n-gram."""
    text = " ".join((words * 3 + ["a", "bc", "d", "e", "f", "ab", "c", "d", "e", "f"]) * 2)
    expected = decision("repetition", GopherRepetitionFilter(), text)[0]
    for exact in (False, True):
        found = first_failed(repetition(text, TOKENIZER.words(text), GopherRepetitionRules(), exact=exact))
        assert found == expected


@pytest.mark.parametrize("family", REPETITIVE)
def test_exact_values_are_the_filters_own(family: str) -> None:
    """With `exact` every share of n-grams is the number that DataTrove compares."""
    for text in REPETITIVE[family][1::8]:
        words = TOKENIZER.words(text)
        checks = {c.reason: c.value for c in repetition(text, words, GopherRepetitionRules(), exact=True)}
        assert len(checks) == 14
        assert checks["repetition_dup_line_frac"] == find_duplicates(lines := re.split("\n+", text))[0] / len(lines)
        for n in (2, 3, 4):
            grams = get_n_grams(words.tokens, n)
            expected = find_top_duplicate(grams) / len(text) if grams else 0
            assert checks[f"repetition_top_{n}_gram"] == expected
        for n in range(5, 11):
            expected = find_all_duplicate(words.tokens, n) / len(text)
            assert checks[f"repetition_duplicated_{n}_n_grams"] == expected


def test_a_limit_of_zero_switches_a_check_off() -> None:
    """As in DataTrove, where a limit of 0 or None is no limit."""
    text = "word\n" * 50
    rules = GopherRepetitionRules(dup_line_frac=0, dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0)
    names = [check.reason for check in repetition(text, TOKENIZER.words(text), rules)]
    assert names[:2] == ["repetition_empty", "repetition_top_2_gram"]


def test_a_page_without_words_has_no_ratio_to_divide_by() -> None:
    """Without a minimum of words an empty page is dropped for its lack of letters, not by a crash."""
    rules = GopherQualityRules(min_doc_words=0)
    checks = list(quality("", TOKENIZER.words(""), rules, exact=True))
    assert first_failed(iter(checks)) == "quality_below_alpha_threshold"
    assert math.isnan(next(c for c in checks if c.reason == "quality_below_avg_threshold").value)


def test_a_good_page_passes_with_every_check() -> None:
    """Prose fails nothing, and all ten quality statistics are there beside their limits."""
    text = "\n".join(prose(10))
    checks = list(quality(text, TOKENIZER.words(text), GopherQualityRules(), exact=True))
    assert len(checks) == 10
    assert not any(check.failed for check in checks)
