"""Stage language: drops texts that are not in a wanted language. `finest.recipe.language` runs the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import field_validator

from finest.recipe.iso639 import language_of
from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class LanguageRules(Rules):
    """Language identification with fastText.

    A page is kept if a wanted language scores above `threshold`. `languages` lists the wanted languages as ISO 639-1,
    -2 or -3 codes or BCP 47 tags (`finest.recipe.iso639`); if it is empty, any language is wanted. `model` is the
    shipped model's name or the path of a model file, whose sha256 must be `model_sha256`.
    """

    enabled: bool = True
    languages: tuple[str, ...] = ("en",)
    threshold: float = 0.65
    model: str = "lid.176.ftz"
    model_sha256: str = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"

    @field_validator("languages")
    @classmethod
    def _are_known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if language_of(code) is None:
                raise ValueError(f"{code!r} is no language code; use one of ISO 639 (de, deu) or a tag (zh-Hant)")
        return codes


def _run(state: PageState, rules: LanguageRules, tools: Toolbox) -> Iterable[Check]:
    from finest.recipe.language import check_language

    best, score = tools.model.best(state.text)
    state.language, state.language_score = best, score
    return (check_language(state.text, best, score, tools.model, rules),) if rules.enabled else ()


LANGUAGE = Stage(
    name="language", section="language", rules=LanguageRules, run=_run, needs=("text",),
    provides=("language", "language_score"), question="Is the text in a wanted language?",
    reasons={"language": "The text is not in a wanted language, or not surely enough."},
)  # fmt: skip
