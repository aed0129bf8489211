"""Check a page's language by the labels and thresholds of a table of languages, as FineWeb-2 does.

A page is dropped if the shipped model calls it English; the recipe's own model then gives the label, and the label's
score must reach the threshold of that language. DataTrove's FineWeb-2 uses lid.176 first and GlotLID second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.stages.language import LanguageRules
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox

ENGLISH = "eng_Latn"


def check_label(state: PageState, rules: LanguageRules, tools: Toolbox) -> Iterator[Check]:
    """Set the page's language and its score, and yield the checks: that it is not English, and that it is wanted."""
    if rules.english_threshold:
        english = tools.shipped_model.score(state.text, "en")
        state.language, state.language_score = ENGLISH, english
        yield Check("language_english", english, rules.english_threshold, english > rules.english_threshold)
    label, score = tools.model.best(state.text)
    code = state.language = rules.labels.get(label, label)
    state.language_score = score
    if code in tools.wanted:
        limit = tools.threshold(code)
        yield Check("language", score, limit, not score >= limit)
        return
    scores = tools.model.scores(state.text)
    best_wanted = max((scores.get(label, 0.0) for label in tools.wanted_labels), default=0.0)
    yield Check("language", best_wanted, score, True)
