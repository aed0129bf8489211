"""Gopher's repetition and quality rules (arXiv:2112.11446, A1.1), with the same decisions as DataTrove's filters.

As in DataTrove, a limit of 0 switches a check off. Without `exact`, a check that passes may carry a bound that proves
this instead of the exact value; a failed check always carries the exact value.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from finest.recipe import native
from finest.recipe.check import Check
from finest.recipe.ngrams import Ngrams, duplicates
from finest.recipe.words import Words

if TYPE_CHECKING:
    from finest.recipe.native._core import Core
    from finest.recipe.recipe import GopherQualityRules, GopherRepetitionRules

_PARAGRAPH_BREAK = re.compile(r"\n{2,}")
_SEED = secrets.randbits(64)
"""Random seed for the core's hash tables; prevents crafted hash collisions. Results do not depend on it."""
_SURE_STOP_WORDS = 300
"""Tokens at the start of a page that are searched for stop words first; usually they contain enough."""


def repetition(text: str, words: Words, rules: GopherRepetitionRules, *, exact: bool = False) -> Iterator[Check]:
    """Yield the checks of Gopher's Table A1 in DataTrove's order: repeated paragraphs, lines and n-grams."""
    yield from repeated_lines(text, rules)
    yield from repeated_ngrams(text, words, rules, exact=exact)


def repeated_lines(text: str, rules: GopherRepetitionRules) -> Iterator[Check]:
    """Yield the checks of Table A1 that need no words: repeated paragraphs and lines."""
    yield Check("repetition_empty", len(text), 1, not text)
    if not text:
        return
    stripped = text.strip()
    paragraphs = _PARAGRAPH_BREAK.split(stripped) if "\n\n\n" in stripped else stripped.split("\n\n")
    count, chars = duplicates(paragraphs)
    yield from _above("repetition_dup_para_frac", count / len(paragraphs), rules.dup_para_frac)
    yield from _above("repetition_dup_para_char_frac", chars / len(text), rules.dup_para_char_frac)
    lines = _lines(text)
    count, chars = duplicates(lines)
    yield from _above("repetition_dup_line_frac", count / len(lines), rules.dup_line_frac)
    yield from _above("repetition_dup_line_char_frac", chars / len(text), rules.dup_line_char_frac)


def repeated_ngrams(
    text: str, words: Words, rules: GopherRepetitionRules, *, exact: bool = False
) -> Iterator[Check]:  # fmt: skip
    """Yield the checks of Table A1 on repeated n-grams; none for an empty text."""
    if not text:
        return
    core = native.core()
    ngrams = (
        _ngrams_by_core(core, len(text), words, rules)
        if core and not words.spaced
        else _ngrams(len(text), Ngrams(words.tokens), rules, exact or bool(words.spaced))
    )
    yield from ngrams


def _lines(text: str) -> list[str]:
    """Return `re.split(r"\n+", text)`, four times faster."""
    lines = list(filter(None, text.split("\n")))
    return [""] * text.startswith("\n") + lines + [""] * text.endswith("\n")


def _ngrams(size: int, ngrams: Ngrams, rules: GopherRepetitionRules, exact: bool) -> Iterator[Check]:
    for n, limit in rules.top_n_grams:
        chars = ngrams.top_chars_at_most(n)
        if exact or chars / size > limit:
            chars = ngrams.top_chars(n)
        yield Check(f"repetition_top_{n}_gram", chars / size, limit, chars / size > limit)
    for n, limit in rules.dup_n_grams:
        chars = ngrams.duplicated_chars_at_most(n, enough=int(limit * size))
        if exact or chars / size > limit:
            chars = ngrams.duplicated_chars(n)
        yield Check(f"repetition_duplicated_{n}_n_grams", chars / size, limit, chars / size > limit)


def _ngrams_by_core(core: Core, size: int, words: Words, rules: GopherRepetitionRules) -> Iterator[Check]:
    """Yield the checks of `_ngrams`, each with the exact value."""
    sizes = tuple(n for n, _ in rules.top_n_grams), tuple(n for n, _ in rules.dup_n_grams)
    tops, duplicated = core.ngram_chars(words.joined, *sizes, _SEED)
    for (n, limit), chars in zip(rules.top_n_grams, tops, strict=True):
        yield Check(f"repetition_top_{n}_gram", chars / size, limit, chars / size > limit)
    for (n, limit), chars in zip(rules.dup_n_grams, duplicated, strict=True):
        yield Check(f"repetition_duplicated_{n}_n_grams", chars / size, limit, chars / size > limit)


def quality(text: str, words: Words, rules: GopherQualityRules, *, exact: bool = False) -> Iterator[Check]:
    """Yield the checks of Gopher's quality heuristics in DataTrove's order."""
    yield from _below("quality_short_doc", words.non_symbol, rules.min_doc_words)
    yield from _above("quality_long_doc", words.non_symbol, rules.max_doc_words)
    average = words.non_symbol_chars / words.non_symbol if words.non_symbol else math.nan
    yield from _below("quality_below_avg_threshold", average, rules.min_avg_word_length)
    yield from _above("quality_above_avg_threshold", average, rules.max_avg_word_length)
    hashes = _share(text.count("#"), words.n)
    yield from _above("quality_too_many_hashes", hashes, rules.max_symbol_word_ratio)
    ellipses = _share(text.count("...") + text.count("…"), words.n)
    yield from _above("quality_too_many_ellipsis", ellipses, rules.max_symbol_word_ratio)
    lines = text.splitlines()
    bullets = sum(1 for line in lines if line.lstrip().startswith(("•", "-")))
    yield from _above("quality_too_many_bullets", _share(bullets, len(lines)), rules.max_bullet_lines_ratio)
    cut_off = sum(1 for line in lines if line.rstrip().endswith(("...", "…"))) if ellipses else 0
    yield from _above("quality_too_many_end_ellipsis", _share(cut_off, len(lines)), rules.max_ellipsis_lines_ratio)
    yield from _below("quality_below_alpha_threshold", _share(words.alpha, words.n), rules.min_alpha_words_ratio)
    stop_words = _stop_words(words, rules, exact)
    yield from _below("quality_enough_stop_words", stop_words, rules.min_stop_words)


def _stop_words(words: Words, rules: GopherQualityRules, exact: bool) -> int:
    """Count the different stop words on the page; without `exact`, the count may stop at the rule's minimum."""
    wanted = frozenset(rules.stop_words)
    start = words.spaced or words.joined.split(" ", _SURE_STOP_WORDS)[:_SURE_STOP_WORDS]
    found = len(wanted.intersection(start))
    return found if found >= rules.min_stop_words and not exact else len(wanted.intersection(words.tokens))


def _share(part: int, whole: int) -> float:
    """Return `part / whole`, or 0 if `whole` is 0, where DataTrove would crash (a minimum of words prevents that)."""
    return part / whole if whole else 0.0


def _above(reason: str, value: float, limit: float) -> Iterator[Check]:
    if limit:
        yield Check(reason, value, limit, value > limit)


def _below(reason: str, value: float, limit: float) -> Iterator[Check]:
    if limit:
        yield Check(reason, value, limit, value < limit)
