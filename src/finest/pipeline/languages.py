"""Choose the recipe of a run by its languages (`finest refine --language`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from finest.atomic_files import size_and_sha256
from finest.dataset.glotlid import glotlid_path
from finest.errors import RecipeError, UsageError
from finest.recipe.languages import read_settings
from finest.recipe.recipe import load_recipe
from finest.recipe.table import ALL, find_languages, is_same_language, supported, with_languages

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.recipe.languages import LanguageSettings
    from finest.recipe.recipe import Recipe

WITH_GLOTLID, WITHOUT = "fineweb-2", "fineweb-2-lid176"


def recipe_in_languages(
    wanted: str, name: str | None, cache: Path, say: Callable[[str], None] = lambda _: None
) -> Recipe:  # fmt: skip
    """Return a recipe for the languages that `--language` names: codes with commas between them, or `all`.

    A name that ends in `.toml` is a file of `finest languages add` with the settings of a language.

    Without a recipe's `name` it is `fineweb-2` if GlotLID is in the cache, otherwise `fineweb-2-lid176`; `say` is told
    which. A recipe that leaves the sha256 of its model open gets that of the file on this machine. Raises RecipeError
    for an unknown or refused language, and for a recipe without a table of languages.
    """
    chosen = name or (WITH_GLOTLID if glotlid_path(cache).is_file() else WITHOUT)
    recipe = load_recipe(chosen)
    if name is None:
        why = (
            "languages are identified by GlotLID, as in FineWeb-2"
            if chosen == WITH_GLOTLID
            else "languages are identified by lid.176; for FineWeb-2's own decisions first: finest languages fetch"
        )
        say(f"Recipe {chosen}: {why}")
    if wanted.strip().lower() == ALL:
        codes, missing = supported(recipe)
        if missing:
            say(f"{len(codes):,} languages; left out are {_shown(missing)}")
        own: dict[str, LanguageSettings] = {}
    else:
        codes, own = _chosen(wanted.split(","))
    changes: dict[str, Any] = {"settings": own} if own else {}
    if not recipe.language.model_sha256:
        changes["model_sha256"] = _model_sha256(recipe, cache)
    return with_languages(recipe, codes, **changes)


def _chosen(wanted: list[str]) -> tuple[tuple[str, ...], dict[str, LanguageSettings]]:
    """Return the codes of the languages, sorted, and the settings of those that files describe."""
    files = [one.strip() for one in wanted if one.strip().endswith(".toml")]
    own = {found.code: found for found in (read_settings(Path(file)) for file in files)}
    codes = [one for one in wanted if one.strip() not in files]
    listed = find_languages(codes) if codes or not own else ()
    return tuple(sorted({*listed, *own})), own


def recipe_for_task(language: str, name: str, cache: Path) -> tuple[Recipe, str]:
    """Return the recipe of tasks in one language, and the language's code: that of the table if the recipe has one.

    Whoever knows the recipe's name and the language gets the same recipe, and so the same hash. Raises UsageError for
    several languages, and RecipeError for a language that the recipe does not keep.
    """
    recipe = load_recipe(name)
    if not recipe.language.table:
        if not any(is_same_language(language, one) for one in recipe.language.languages):
            raise RecipeError(
                f"recipe {recipe.name} does not keep {language[:40]!r}; use --recipe {WITHOUT}, which has a table of "
                "languages"
            )
        return recipe, language
    if len(find_languages(language.split(","))) != 1:
        raise UsageError("a task is in one language; run the command once for each")
    chosen = recipe_in_languages(language, name, cache)
    return chosen, chosen.language.languages[0]


def recipes_for_tasks(wanted: str, cache: Path) -> tuple[Recipe, ...]:
    """Return the recipes that tasks in these languages (codes with commas between them) may ask for, each for one.

    `fineweb-2` is among them if GlotLID is in the cache. Raises RecipeError for an unknown or refused language.
    """
    names = [WITHOUT, *([WITH_GLOTLID] if glotlid_path(cache).is_file() else [])]
    codes = find_languages(wanted.split(","))
    recipes = [recipe_in_languages(",".join(codes), name, cache) for name in names]
    return tuple(with_languages(recipe, (code,)) for recipe in recipes for code in codes)


def check_has_languages(recipe: Recipe) -> None:
    """Raise UsageError if a recipe with a table of languages names none."""
    if recipe.language.table and not recipe.language.languages:
        raise UsageError(
            f"recipe {recipe.name} needs the languages to keep, for example: --language deu_Latn (list them with: "
            "finest languages)"
        )


def _shown(missing: dict[str, str]) -> str:
    codes = list(missing)
    return ", ".join(codes[:5]) + (f" and {len(codes) - 5} more (finest languages says why)" if codes[5:] else "")


def _model_sha256(recipe: Recipe, cache: Path) -> str:
    from finest.recipe.language import model_path

    path = model_path(recipe.language.model, cache)
    if not path.is_file():
        raise RecipeError(
            f"recipe {recipe.name}: its language model {recipe.language.model} is not on this machine; fetch it with: "
            "finest languages fetch (or use --recipe fineweb-2-lid176)"
        )
    return size_and_sha256(path)[1]
