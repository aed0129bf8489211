"""FineWeb's own quality filters (arXiv:2406.17557, section 3.5), equal to DataTrove's FineWebQualityFilter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from datatrove.utils.text import TERMINAL_PUNCTUATION

from finest.recipe.check import Check
from finest.recipe.ngrams import duplicates
from finest.recipe.words import Tokenizer

if TYPE_CHECKING:
    from finest.recipe.recipe import FinewebRules


def fineweb_quality(
    text: str, tokenizer: Tokenizer, rules: FinewebRules, *, exact: bool = False, known: int | None = None
) -> Iterator[Check]:  # fmt: skip
    """Yield the checks in DataTrove's order: lines that end a sentence, short lines, repeated lines, newlines per word.

    `text` is the text after C4's rules, and `known` its number of tokens if that was counted before. Without `exact`,
    the last check may carry a bound that proves that it passes instead of the exact value.
    """
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    yield Check("fineweb_empty", len(lines), 1, not lines)
    if not lines:
        return
    ended = sum(1 for line in lines if line[-1] in TERMINAL_PUNCTUATION) / len(lines)
    yield Check("fineweb_line_punct_ratio", ended, rules.line_punct_thr, ended < rules.line_punct_thr)
    short = sum(1 for line in lines if len(line) <= rules.short_line_length) / len(lines)
    yield Check("fineweb_short_line_ratio", short, rules.short_line_thr, short > rules.short_line_thr)
    newlines = text.count("\n")
    repeated = duplicates(lines)[1] / (len(text) - newlines)
    limit = rules.char_duplicates_ratio
    yield Check("fineweb_char_dup_ratio", repeated, limit, repeated > limit)
    if known is None:
        ratio = _newlines_per_word(text, newlines, tokenizer, rules, exact)
    else:
        ratio = newlines / known if known else 0.0
    yield Check("fineweb_list_ratio", ratio, rules.new_line_ratio, ratio > rules.new_line_ratio)


def _newlines_per_word(text: str, newlines: int, tokenizer: Tokenizer, rules: FinewebRules, exact: bool) -> float:
    at_most = newlines / len(text.split())  # each chunk of text is at least one token
    if not exact and at_most <= rules.new_line_ratio and not tokenizer.may_strike(text):
        return at_most
    count = tokenizer.count(text)
    return newlines / count if count else 0.0
