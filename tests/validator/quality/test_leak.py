"""Leakage: what is learned by heart is found, what is merely alike is not."""

from __future__ import annotations

from finest.validator.quality.heldout import anchors
from finest.validator.quality.leak import LEAK_SHARE, overlap

TEXTS = anchors()


def test_a_copy_is_found_whatever_its_case_and_punctuation() -> None:
    """Lower case and other commas hide nothing; a third of a document suffices."""
    copy = TEXTS[0].lower().replace(",", " ;")
    part = TEXTS[1][: len(TEXTS[1]) // 3]
    found = overlap(TEXTS[:3], [copy, part], [])
    assert found.leaked.tolist() == [True, True, False]


def test_what_the_sources_hold_too_is_known_and_not_leaked() -> None:
    """A document that is among the task's own pages is nobody's cheat."""
    found = overlap(TEXTS[:2], TEXTS[:2], [TEXTS[0]])
    assert (found.known.tolist(), found.leaked.tolist()) == ([True, False], [False, True])


def test_a_quotation_is_no_leak() -> None:
    """A sentence of twenty words in a long document is within what chance brings."""
    assert 8 / len(TEXTS[0].split()) < LEAK_SHARE
    quotation = " ".join(TEXTS[0].split()[40:60])
    assert not overlap(TEXTS[:1], [quotation], []).leaked.any()


def test_short_and_empty_texts_are_in_nothing() -> None:
    """Fewer than thirteen words say nothing; no documents, no answer."""
    assert not overlap(["a few words", ""], ["a few words"], []).leaked.any()
    assert overlap([], TEXTS, TEXTS).known.tolist() == []


def test_other_authors_do_not_share_thirteen_words() -> None:
    """Documents of the same kind are not taken for each other."""
    found = overlap(TEXTS[0::2], TEXTS[1::2], [])
    assert not found.leaked.any()
