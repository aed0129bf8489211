"""Stage quality: drops texts that do not read like prose, by Gopher's rules (`finest.recipe.gopher`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage
from finest.recipe.stages.repetition import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class GopherQualityRules(Rules):
    """Gopher's quality heuristics (arXiv:2112.11446, A1.1). A limit of 0 switches its check off.

    - `min_doc_words`, `max_doc_words`: words of the page, without tokens that are only punctuation.
    - `min_avg_word_length`, `max_avg_word_length`: average length of these words, in characters.
    - `max_symbol_word_ratio`: hash signs per token, and ellipses per token.
    - `max_bullet_lines_ratio`, `max_ellipsis_lines_ratio`: share of lines that begin with a bullet or a hyphen, or end
      with an ellipsis.
    - `min_alpha_words_ratio`: share of tokens that contain a letter.
    - `min_stop_words`: how many different words of `stop_words` the page must contain.
    """

    enabled: bool = True
    min_doc_words: int = 50
    max_doc_words: int = 100_000
    min_avg_word_length: float = 3
    max_avg_word_length: float = 10
    max_symbol_word_ratio: float = 0.1
    max_bullet_lines_ratio: float = 0.9
    max_ellipsis_lines_ratio: float = 0.3
    min_alpha_words_ratio: float = 0.8
    min_stop_words: int = 2
    stop_words: tuple[str, ...] = ("the", "be", "to", "of", "and", "that", "have", "with")


def _run(state: PageState, rules: GopherQualityRules, tools: Toolbox) -> Iterable[Check]:
    from finest.recipe.gopher import quality

    if not rules.enabled:
        return ()
    return quality(state.text, words_of(state, tools), rules, exact=state.exact)


QUALITY = Stage(
    name="quality", section="gopher_quality", rules=GopherQualityRules, run=_run,
    needs=("text", "language", "words"), provides=("words",), question="Does it read like prose? (Gopher)",
    reasons={
        "quality_short_doc": "Too few words.",
        "quality_long_doc": "Too many words.",
        "quality_below_avg_threshold": "The average word is too short.",
        "quality_above_avg_threshold": "The average word is too long.",
        "quality_too_many_hashes": "Too many hash signs for the number of words.",
        "quality_too_many_ellipsis": "Too many ellipses for the number of words.",
        "quality_too_many_bullets": "Too many lines begin with a bullet.",
        "quality_too_many_end_ellipsis": "Too many lines end with an ellipsis.",
        "quality_below_alpha_threshold": "Too few words hold a letter.",
        "quality_enough_stop_words": "Too few of the common little words that prose has.",
    },
)  # fmt: skip
