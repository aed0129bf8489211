"""Stage repetition: drops texts that repeat themselves, by Gopher's rules (`finest.recipe.gopher`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from finest.recipe.stage import Family, Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox
    from finest.recipe.words import Words


class GopherRepetitionRules(Rules):
    """Gopher's limits on repetition (arXiv:2112.11446, Table A1).

    - `dup_line_frac`, `dup_para_frac`: the largest share of duplicate lines, or paragraphs. 0 switches the check off.
    - `dup_line_char_frac`, `dup_para_char_frac`: the largest share of characters in duplicate lines, or paragraphs. 0
      switches the check off.
    - `top_n_grams`: pairs of n and the largest share of characters in the most frequent n-gram.
    - `dup_n_grams`: pairs of n and the largest share of characters in repeated n-grams.
    """

    enabled: bool = True
    dup_line_frac: float = 0.3
    dup_para_frac: float = 0.3
    dup_line_char_frac: float = 0.2
    dup_para_char_frac: float = 0.2
    top_n_grams: tuple[tuple[int, float], ...] = ((2, 0.2), (3, 0.18), (4, 0.16))
    dup_n_grams: tuple[tuple[int, float], ...] = (
        (5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10),
    )  # fmt: skip


def words_of(state: PageState, tools: Toolbox) -> Words:
    """Return the words of the text that extraction found; the state keeps them for later stages."""
    if state.words is None:
        state.words = tools.tokenizer_for(state.language).words(state.text)
    return state.words


def _lines(state: PageState, rules: GopherRepetitionRules, _: Toolbox) -> Iterable[Check]:
    from finest.recipe.gopher import repeated_lines

    return repeated_lines(state.text, rules) if rules.enabled else ()


def _ngrams(state: PageState, rules: GopherRepetitionRules, tools: Toolbox) -> Iterable[Check]:
    from finest.recipe.gopher import repeated_ngrams

    words = words_of(state, tools)
    return repeated_ngrams(state.text, words, rules, exact=state.exact) if rules.enabled else ()


_QUESTION = "Does the text repeat itself? (Gopher)"
REPEATED_LINES = Stage(
    name="repetition", section="gopher_repetition", rules=GopherRepetitionRules, run=_lines, needs=("text",),
    question=_QUESTION,
    reasons={
        "repetition_empty": "The text holds nothing to count.",
        "repetition_dup_para_frac": "Too many paragraphs are repeated.",
        "repetition_dup_para_char_frac": "Repeated paragraphs make up too much of the text.",
        "repetition_dup_line_frac": "Too many lines are repeated.",
        "repetition_dup_line_char_frac": "Repeated lines make up too much of the text.",
    },
)  # fmt: skip
REPEATED_NGRAMS = Stage(
    name="repetition", section="gopher_repetition", rules=GopherRepetitionRules, run=_ngrams,
    needs=("text", "language", "words"), provides=("words",), question=_QUESTION,
    families=(
        Family(
            re.compile(r"repetition_top_(\d{1,3})_gram"),
            "The most frequent {}-word phrase makes up too much of the text.",
            tuple(f"repetition_top_{n}_gram" for n in (2, 3, 4)),
        ),
        Family(
            re.compile(r"repetition_duplicated_(\d{1,3})_n_grams"),
            "Repeated {}-word phrases make up too much of the text.",
            tuple(f"repetition_duplicated_{n}_n_grams" for n in (5, 6, 7, 8, 9, 10)),
        ),
    ),
)  # fmt: skip
