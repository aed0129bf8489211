"""Stage C4: drops texts that look like code, a placeholder or a stub. `finest.recipe.c4` implements the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class C4Rules(Rules):
    """C4's line and page rules (JMLR 21/20-074) without the terminal punctuation rule, as FineWeb runs them.

    - `remove_citations` removes citation marks such as `[1]` from lines.
    - `min_words_per_line` and `max_word_length` (characters; -1 switches it off) drop a line that has fewer words or a
      longer word. `filter_javascript` drops a line that contains `javascript`, `filter_policy` one that contains a
      phrase of cookie and privacy notices.
    - `filter_lorem_ipsum` and `filter_curly_bracket` drop a page that contains `lorem ipsum` or `{`.
      `min_num_sentences` drops a page whose remaining lines have fewer sentences; -1 switches it off.
    """

    enabled: bool = True
    remove_citations: bool = True
    min_num_sentences: int = 5
    min_words_per_line: int = 3
    max_word_length: int = 1000
    filter_lorem_ipsum: bool = True
    filter_javascript: bool = True
    filter_curly_bracket: bool = True
    filter_policy: bool = True


def _run(state: PageState, rules: C4Rules, tools: Toolbox) -> Iterable[Check]:
    """Return the checks, and set the page's text to the lines that C4 keeps."""
    from finest.recipe.c4 import clean

    if not rules.enabled:
        return ()
    cleaned = clean(state.text, tools.tokenizer_for(state.language), rules, exact=state.exact)
    if cleaned.text is not None:
        state.text = cleaned.text
    return cleaned.checks


C4 = Stage(
    name="c4", section="c4", rules=C4Rules, run=_run, needs=("text", "language"), provides=("text",),
    title="C4",
    question="Does it look like code, a placeholder or a stub? (C4)",
    reasons={
        "c4_lorem_ipsum": "Placeholder text (lorem ipsum).",
        "c4_curly_bracket": "Curly brackets: most likely code.",
        "c4_too_few_sentences": "Too few sentences are left once menu and script lines are gone.",
    },
)  # fmt: skip
