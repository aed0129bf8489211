"""Stage language: drops texts that are not in a wanted language. `finest.recipe.language` runs the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from finest.recipe.iso639 import language_of
from finest.recipe.languages import LanguageSettings, language_settings
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

    If `table` names a table of languages (`finest.recipe.languages`; `table_sha256` pins it), each language is filtered
    by its own settings, and the page's language is the most probable label of the model:

    - `languages` are codes of the table, such as `deu_Latn`; a page is kept if its language is one of them and scores
      at least that language's threshold. `threshold` is not used.
    - `labels` gives the table's code for a label of the model; other labels are codes already.
    - `thresholds` replaces thresholds of the table, by code.
    - `settings` has the settings of further languages by code, as `finest languages add` writes them; they replace
      those of a language that is in the table.
    - `english_threshold` drops a page first if the shipped model gives English above it; 0 switches this off.
    """

    enabled: bool = True
    languages: tuple[str, ...] = ("en",)
    threshold: float = 0.65
    model: str = "lid.176.ftz"
    model_sha256: str = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
    english_threshold: float = 0
    table: Literal["", "fineweb-2"] = ""
    table_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    labels: dict[str, str] = Field(default={}, max_length=10_000)
    thresholds: dict[str, float] = Field(default={}, max_length=10_000)
    settings: dict[str, LanguageSettings] = Field(default={}, max_length=64)

    @field_validator("settings")
    @classmethod
    def _are_under_their_codes(cls, settings: dict[str, LanguageSettings]) -> dict[str, LanguageSettings]:
        for code, found in settings.items():
            if code != found.code:
                raise ValueError(f"the settings of {found.code} are under {code}")
        return settings

    def settings_of(self, code: str) -> LanguageSettings:
        """Return the settings of a language: its own, or those of the table; raises RecipeError if there are none."""
        return self.settings.get(code) or language_settings(code)

    @field_validator("languages")
    @classmethod
    def _are_known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if language_of(code) is None:
                raise ValueError(f"{code!r} is no language code; use one of ISO 639 (de, deu) or a tag (zh-Hant)")
        return codes


def _run(state: PageState, rules: LanguageRules, tools: Toolbox) -> Iterable[Check]:
    if rules.enabled and rules.table:
        from finest.recipe.labels import check_label

        return check_label(state, rules, tools)
    from finest.recipe.language import check_language

    best, score = tools.model.best(state.text)
    state.language, state.language_score = best, score
    return (check_language(state.text, best, score, tools.model, rules),) if rules.enabled else ()


LANGUAGE = Stage(
    name="language", section="language", rules=LanguageRules, run=_run, needs=("text",),
    provides=("language", "language_score"), question="Is the text in a wanted language?",
    reasons={
        "language_english": "The text is English.",
        "language": "The text is not in a wanted language, or not surely enough.",
    },
)  # fmt: skip
