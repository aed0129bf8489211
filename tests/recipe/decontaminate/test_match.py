"""Copies of evaluation items are found, edited ones too; the core and Python find the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native
from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.match import Matcher
from tests.deep import examples
from tests.recipe.decontaminate.made import edited, index_of, items, prose

QUESTION = "Which river rises in the hills above the old town and turns south where the valley opens?"
FILLER = "Some words that stand before the copy and have nothing to do with it. "
CHINESE = "下列哪一条河流发源于古镇上方的山丘并在山谷开阔处向南流去"
THAI = "แม่น้ำสายใดมีต้นกำเนิดจากเนินเขาเหนือเมืองเก่าและไหลไปทางทิศใต้ตรงที่หุบเขาเปิดกว้าง"
SIGNS = [
    *"aaAbB 19 .,'\n\t",
    "the ",
    "é",
    "É",
    "’",
    "日",
    "本",
    "ก",
    "。",
    "\u00a0",
    "𠀀",
    "\U0004e000",
    "\ud800",
    "ß",
]


def found(text: str, *questions: str, n: int = 4, min_matches: int = 5, min_percent: int = 10) -> str | None:
    """The span of the copy that is found."""
    match = Matcher(index_of(*questions, n=n), min_matches, min_percent).best(text)
    if match is None or not match.is_copy:
        return None
    return text.encode("utf-8", "replace")[match.start : match.end].decode()


@pytest.mark.parametrize("question", [QUESTION, CHINESE, THAI])
def test_an_exact_copy_is_found_with_its_span(question: str) -> None:
    """In scripts without spaces too."""
    assert found(f"{FILLER}{question} {FILLER}", question) == question.rstrip("?")
    assert found(FILLER * 3, question) is None


@pytest.mark.parametrize("copy", [
    QUESTION.upper(), QUESTION.replace(" ", "\n"), QUESTION.replace(" ", " — "),
    f"“{QUESTION}”".replace("the", "*the*"),
])  # fmt: skip
def test_layout_does_not_hide_a_copy(copy: str) -> None:
    """Capitals, line breaks, dashes, quotation marks and emphasis are no part of the words."""
    assert found(FILLER + copy, QUESTION)


def test_edited_copies_are_found() -> None:
    """At least 97, 80 and 65 of 100 copies with 5, 20 and 30 % of their words edited; no text without a copy."""
    draw = random.Random(5)
    questions = items(100, draw)
    matcher = Matcher(build_index([("quiz", questions)]), 5, 10)
    for rate, least in ((0.0, 100), (0.05, 97), (0.2, 80), (0.3, 65)):
        hits = 0
        for question in questions:
            match = matcher.best(f"{prose(150, draw)} {edited(question.text, rate, draw)} {prose(150, draw)}")
            hits += match is not None and match.is_copy and match.item == question.number
        assert hits >= least, rate
    clean = [matcher.best(prose(600, draw)) for _ in range(100)]
    assert not any(match.is_copy for match in clean if match)


def test_one_n_gram_can_be_enough() -> None:
    """13-grams, as GPT-3's authors used them."""
    part = " ".join(QUESTION.split()[:13])
    assert found(FILLER + part, QUESTION, n=13, min_matches=1, min_percent=0) == part
    assert found(FILLER + " ".join(QUESTION.split()[:12]), QUESTION, n=13, min_matches=1, min_percent=0) is None


def test_what_repeats_or_lies_apart_does_not_add_up() -> None:
    """A phrase of an item, however often, is one phrase; and pieces of an item far from each other are no copy."""
    words = QUESTION.split()
    assert found(f"{' '.join(words[:6])}. " * 50, QUESTION) is None
    pieces = [" ".join(words[at : at + 5]) for at in range(0, len(words) - 4, 4)]
    assert found((" x" * 40).join(pieces), QUESTION) is None
    assert found(" x ".join(pieces), QUESTION)


def test_numbers_and_letters_are_no_words() -> None:
    """Rows of numbers stand on many pages."""
    numbers = "Add 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 and a b c d e f g h i"
    assert found(numbers.partition("Add")[2], numbers) is None


def test_texts_do_not_influence_each_other() -> None:
    """The beginning of an item at the end of a text, and the rest at the beginning of the next, are no copy."""
    words = QUESTION.split()
    matcher = Matcher(index_of(QUESTION), 8, 0)
    for text in (" ".join(words[:9]), " ".join(words[9:]), ""):
        match = matcher.best(text)
        assert match is None or not match.is_copy


@pytest.mark.skipif(native.core() is None, reason="no compiled core to compare with")
@given(st.data(), st.sampled_from([1, 2, 4, 13, 32]))
@settings(max_examples=examples(25, 3_000), deadline=None)
def test_the_core_finds_what_python_finds(data: st.DataObject, n: int) -> None:
    """For any characters, in any scripts."""
    texts = st.lists(st.sampled_from(SIGNS), max_size=120).map("".join)
    matcher = Matcher(index_of(*data.draw(st.lists(texts, min_size=1, max_size=8)), n=n, min_words=1), 1, 0)
    for _ in range(4):
        text = data.draw(texts)
        assert matcher.best(text) == matcher._reference(text)


@pytest.mark.skipif(native.core() is None, reason="no compiled core to compare with")
def test_the_core_finds_what_python_finds_in_long_texts() -> None:
    """With items of many n-grams, edited copies, and n-grams that several items share."""
    draw = random.Random(11)
    questions = items(30, draw, (8, 120))
    shared = [Item(one.number + 100, f"{one.text} {questions[0].text}") for one in questions[:15]]
    for n in (1, 3, 4, 13):
        matcher = Matcher(build_index([("quiz", questions), ("others", shared)], n), 2, 5)
        for question in questions[:10]:
            text = f"{prose(80, draw)} {edited(question.text, 0.2, draw)} {question.text.upper()} {prose(80, draw)}"
            assert matcher.best(text) == matcher._reference(text)
