"""Stage gate: drops pages that are certainly not in a wanted language, before extraction.

It has two steps, one before the page is decoded and one after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class GateRules(Rules):
    """Cheap checks that safely drop pages before extraction. FineWeb does not have them; `enabled = false` omits them.

    A page is dropped if its HTML has fewer than `min_html_chars` characters, or if Common Crawl's CLD2 record assigns
    at most `cld2_share` of its text to the wanted languages. If there is no such record, language identification runs
    on the page's visible text, and the page is dropped if every wanted language scores at most `lid_score`; pages with
    less than `lid_min_chars` characters of visible text skip this check.

    If the recipe has a table of languages, languages close to a wanted one count as wanted (`finest.recipe.near`).
    """

    enabled: bool = True
    cld2_share: float = 0.05
    lid_score: float = 0.02
    lid_min_chars: int = 200
    min_html_chars: int = 150


def _by_cld2(state: PageState, _: GateRules, tools: Toolbox) -> Iterator[Check]:
    from finest.recipe.gate import cld2_gate

    return cld2_gate(state.page, tools.recipe)


def _by_text(state: PageState, _: GateRules, tools: Toolbox) -> Iterator[Check]:
    from finest.recipe.gate import text_gate

    model = tools.shipped_model if tools.recipe.language.table else tools.model
    return text_gate(state.page, state.html, tools.recipe, model)


_QUESTION, _TITLE = "Is the page surely not in a wanted language?", "Language gate"
CLD2_GATE = Stage(
    name="gate", section="gate", rules=GateRules, run=_by_cld2, needs=("page",), question=_QUESTION, title=_TITLE,
    reasons={"gate_cld2": "Common Crawl's own language record gives almost no wanted language."},
)  # fmt: skip
TEXT_GATE = Stage(
    name="gate", section="gate", rules=GateRules, run=_by_text, needs=("page", "html"), question=_QUESTION,
    title=_TITLE,
    reasons={
        "gate_lid": "The visible text of the page is surely in another language.",
        "gate_short": "The page is too short to hold any text.",
    },
)  # fmt: skip
