"""DataTrove's quality filters and ours side by side, and texts made to move across one threshold at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter

from finest.recipe.c4 import clean
from finest.recipe.check import Check
from finest.recipe.fineweb import fineweb_quality
from finest.recipe.gopher import quality, repetition
from finest.recipe.recipe import C4Rules, FinewebRules, GopherQualityRules, GopherRepetitionRules
from finest.recipe.words import Tokenizer
from tests.late import Late

TOKENIZER = Late(Tokenizer)


def decision(name: str, datatrove: BaseFilter, text: str) -> tuple[str | None, str]:
    """The reason in our names and the text afterwards, by one filter of DataTrove's."""
    document = Document(text=text, id="page")
    result = datatrove.filter(document)
    reason = None if result is True else f"{name}_{result[1].removeprefix('gopher_')}"
    return reason, document.text


def reference(text: str) -> tuple[str | None, str]:
    """The reason and the text by DataTrove's four filters in FineWeb's order."""
    filters = {
        "repetition": GopherRepetitionFilter(),
        "quality": GopherQualityFilter(),
        "c4": C4QualityFilter(filter_no_terminal_punct=False),
        "fineweb": FineWebQualityFilter(),
    }
    for name, datatrove in filters.items():
        reason, text = decision(name, datatrove, text)
        if reason:
            return reason, text
    return None, text


def ours(text: str, *, exact: bool = False) -> tuple[str | None, str]:
    """The reason and the text by our four stages."""
    words = TOKENIZER.words(text)
    for stage in (repetition(text, words, GopherRepetitionRules(), exact=exact),
                  quality(text, words, GopherQualityRules(), exact=exact)):  # fmt: skip
        if failed := first_failed(stage):
            return failed, text
    cleaned = clean(text, TOKENIZER, C4Rules(), exact=exact)
    if failed := first_failed(iter(cleaned.checks)):
        return failed, text
    assert cleaned.text is not None
    return first_failed(fineweb_quality(cleaned.text, TOKENIZER, FinewebRules(), exact=exact)), cleaned.text


def first_failed(checks: Iterator[Check]) -> str | None:
    return next((check.reason for check in checks if check.failed), None)


def assert_flips(
    reason: str, texts: list[str], reference: Callable[[str], str | None], ours: Callable[[str, bool], str | None]
) -> None:
    """Both decide alike on every text, and `reason` is met on some of them and not on others."""
    expected = [reference(text) for text in texts]
    assert [ours(text, False) for text in texts] == expected
    assert [ours(text, True) for text in texts] == expected
    assert reason in expected
    assert any(other != reason for other in expected)


def unique_words(count: int, length: int = 5) -> list[str]:
    """Different words of lower-case letters."""
    letters = itertools.product("bcdfghjklmnprstvwz", repeat=length)
    return ["".join(word) for word in itertools.islice(letters, 0, count * 7, 7)]


def prose(sentences: int, words_each: int = 12) -> list[str]:
    """Sentences that no filter objects to."""
    words = iter(unique_words(sentences * words_each))
    return [f"The {' '.join(itertools.islice(words, words_each))} of that and more." for _ in range(sentences)]
