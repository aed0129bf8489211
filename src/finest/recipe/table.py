"""Recipes with a table of languages: the rules of each language, and the choice of languages by their codes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from finest.errors import RecipeError
from finest.recipe.iso639 import language_of
from finest.recipe.languages import TABLE, languages

if TYPE_CHECKING:
    from finest.recipe.recipe import Recipe
    from finest.recipe.stage import Rules
    from finest.recipe.stages.language import LanguageRules

FTFY_LIBRARIES = ("ftfy",)
ALL = "all"


@cache
def table_sha256() -> str:
    """Return the sha256 of the installed table of languages."""
    return hashlib.sha256(TABLE.read_bytes()).hexdigest()


def rules_of(code: str, recipe: Recipe) -> dict[str, Rules]:
    """Return the sections of `recipe` that the table changes for a language, with the table's values."""
    found = recipe.language.settings_of(code)
    changes: dict[str, dict[str, Any]] = {
        "gopher_repetition": {
            "dup_line_frac": found.dup_line_frac, "top_n_grams": found.top_n_grams, "dup_n_grams": found.dup_n_grams,
        },
        "fineweb": {"line_punct_thr": found.line_punct_thr, "new_line_ratio": found.new_line_ratio},
        "gopher_quality": {
            "min_avg_word_length": found.min_avg_word_length, "max_avg_word_length": found.max_avg_word_length,
            "min_alpha_words_ratio": found.max_non_alpha_words_ratio, "stop_words": found.stop_words,
        },
    }  # fmt: skip
    sections = recipe.sections()
    return {name: sections[name].model_copy(update=values) for name, values in changes.items()}


def check_table(rules: LanguageRules) -> None:
    """Raise RecipeError if the installed table is another one, or does not support a language of the recipe."""
    if rules.table_sha256 != table_sha256():
        raise RecipeError(
            f"[language] table_sha256 is {rules.table_sha256[:12] or 'empty'}, and the table of languages of this "
            f"version is {table_sha256()[:12]}: use the version of finest-data that the recipe is made for"
        )
    for code in rules.languages:
        if refused := rules.settings_of(code).refused:
            raise RecipeError(f"language {code} is not supported: {refused}")


def find_languages(wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the table's codes, sorted, of languages in any code form: `de`, `deu` and `deu_Latn` give `deu_Latn`.

    Raises RecipeError for a code that is unknown, that means several languages of the table, or that is refused.
    """
    found = {_find(code.strip()) for code in wanted if code.strip()}
    if not found:
        raise RecipeError("no language is named; name one or more, such as deu_Latn,fra_Latn")
    return tuple(sorted(found))


def _find(code: str) -> str:
    if code in languages():
        return code
    language = language_of(code)
    if language is not None and language.code == "eng":
        raise RecipeError("FineWeb-2 is made for other languages than English; use --recipe fineweb")
    same = [one for one in languages() if language is not None and is_same_language(one, code)]
    if len(same) > 1:
        raise RecipeError(f"language {code!r} is written in several scripts; name one of {', '.join(same)}")
    if not same:
        raise RecipeError(f"FineWeb-2 has no language {code[:40]!r}; list them with: finest languages")
    return same[0]


def is_same_language(code: str, other: str) -> bool:
    """Return whether two codes, in any form, mean the same language."""
    one, two = language_of(code), language_of(other)
    return one is not None and two is not None and one.is_same(two)


def supported(recipe: Recipe) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the languages that a recipe can judge on this machine, and the others with the reason of each."""
    from finest.recipe.languages import deciding_libraries

    labels = recipe.language.labels
    known = languages() if not labels else tuple(sorted(set(labels.values()) & set(languages())))
    missing: dict[str, str] = {}
    for code in known:
        try:
            deciding_libraries((code,))
        except RecipeError as error:
            missing[code] = str(error)
    return tuple(code for code in known if code not in missing), missing


def with_languages(recipe: Recipe, codes: tuple[str, ...], **changes: Any) -> Recipe:
    """Return the recipe for these languages of its table; `changes` are further values of its section `language`.

    Raises RecipeError if the recipe has no table, if its model has no label for a language, or if a tokenizer's package
    is missing.
    """
    rules = recipe.language
    if not rules.table:
        raise RecipeError(f"recipe {recipe.name} has no table of languages; use --recipe fineweb-2-lid176")
    if rules.labels and (unknown := sorted(set(codes) - set(rules.labels.values()))):
        raise RecipeError(
            f"language {unknown[0]} has no label in the model of recipe {recipe.name}; the recipe fineweb-2 has more "
            f"languages, and its model is fetched with: finest languages fetch"
        )
    data = recipe.resolved()
    del data["libraries"]
    data["language"] |= {"languages": codes, "model": rules.model, **changes}
    chosen = type(recipe).model_validate(data)
    chosen.check_languages()
    return chosen
