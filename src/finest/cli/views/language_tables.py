"""Terminal views of the table of languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from finest.formatting import counted, short
from finest.recipe.languages.overview import MEASURED, title_of, tokenizer_classes

if TYPE_CHECKING:
    from rich.console import Console

    from finest.recipe.languages import LanguageSettings

_SHOWN_CODES = 3
_EXPLAINED = 10
"""Number of languages from which on a refusal's reason is left to `finest languages`."""


def show_classes(console: Console) -> None:
    """Print the tokenizers with their languages, what they need, and their shares of FineWeb-2."""
    classes = tokenizer_classes()
    rows = [("tokenizer", "languages", "such as", "needs")]
    for one in classes:
        needed = f"not supported: {one.refused}" if one.refused else one.command
        rows.append((one.title, f"{len(one.codes):,}", " ".join(one.codes[:_SHOWN_CODES]), needed))
    _print(console, rows)
    supported = sum(len(one.codes) for one in classes if not one.refused)
    lines = [f"\n{supported:,} of {sum(len(one.codes) for one in classes):,} languages are supported."]
    lines += ["Shares of the bytes of FineWeb-2:", *(f"  {percent:5.2f} %  {title}" for title, percent in MEASURED)]
    lines += ["\nEnglish is not in FineWeb-2; its recipe is fineweb. One language: finest languages list deu_Latn"]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def show_languages(console: Console, chosen: Sequence[LanguageSettings]) -> None:
    """Print languages with their tokenizer and main thresholds, one a line."""
    rows = [("code", "name", "tokenizer", "score", "lines", "2-gram", "5-grams", "ends", "newlines", "word", "alpha",
             "needs", "stop words")]  # fmt: skip
    for one in chosen:
        needed = "not supported" if one.refused else (f"[{one.extra}]" if one.extra else "-")
        ends = short(one.line_punct_thr) if one.line_punct_thr > 0 else "-"
        rows.append((
            one.code, one.name[:24], f"{title_of(one.key)} {one.tokenizer_language}".strip(), short(one.language_score),
            short(one.dup_line_frac), short(one.top_n_grams[0][1]), short(one.dup_n_grams[0][1]), ends,
            short(one.new_line_ratio), f"{one.min_avg_word_length}-{one.max_avg_word_length}",
            short(one.max_non_alpha_words_ratio), needed, f"{len(one.stop_words)}: {' '.join(one.stop_words[:5])}",
        ))  # fmt: skip
    _print(console, rows)
    if len(chosen) > 1:
        console.print(counted(len(chosen), "language"), highlight=False)
    for one in chosen if len(chosen) < _EXPLAINED else ():
        if one.refused:
            console.print(f"{one.code} is not supported: {one.refused}", markup=False, highlight=False)


def _print(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns that line up; a line longer than the terminal is left to it."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        console.print("  ".join(cells).rstrip(), markup=False, highlight=False)
