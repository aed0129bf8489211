"""Stage FineWeb: drops texts made of lists and fragments. `finest.recipe.fineweb` implements the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class FinewebRules(Rules):
    """FineWeb's own quality filters (arXiv:2406.17557, section 3.5).

    A page is dropped if the share of its lines that end in terminal punctuation is below `line_punct_thr`, the share of
    lines of at most `short_line_length` characters is above `short_line_thr`, the share of characters in repeated lines
    is above `char_duplicates_ratio`, or it has more than `new_line_ratio` newlines per word.
    """

    enabled: bool = True
    line_punct_thr: float = 0.12
    short_line_thr: float = 0.67
    short_line_length: int = 30
    char_duplicates_ratio: float = 0.01
    new_line_ratio: float = 0.3


def _run(state: PageState, rules: FinewebRules, tools: Toolbox) -> Iterable[Check]:
    from finest.recipe.fineweb import fineweb_quality

    if not rules.enabled:
        return ()
    known = state.words.n if state.words is not None and tools.recipe.order == "fineweb-2" else None
    return fineweb_quality(state.text, tools.tokenizer_for(state.language), rules, exact=state.exact, known=known)


FINEWEB = Stage(
    name="fineweb", section="fineweb", rules=FinewebRules, run=_run, needs=("text", "language", "words"),
    title="FineWeb",
    question="Is it made of lists and fragments? (FineWeb)",
    reasons={
        "fineweb_empty": "No line holds any text.",
        "fineweb_line_punct_ratio": "Too few lines end like a sentence.",
        "fineweb_short_line_ratio": "Too many lines are short.",
        "fineweb_char_dup_ratio": "Repeated lines hold too many of the characters.",
        "fineweb_list_ratio": "Too many line breaks for the number of words: a list.",
    },
)  # fmt: skip
