"""Choose the recipe of a run by its languages (`finest refine --language`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.atomic_files import size_and_sha256
from finest.dataset.glotlid import glotlid_path
from finest.errors import RecipeError, UsageError
from finest.recipe.recipe import load_recipe
from finest.recipe.table import ALL, find_languages, supported, with_languages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.recipe.recipe import Recipe

WITH_GLOTLID, WITHOUT = "fineweb-2", "fineweb-2-lid176"


def recipe_in_languages(
    wanted: str, name: str | None, cache: Path, say: Callable[[str], None] = lambda _: None
) -> Recipe:  # fmt: skip
    """Return a recipe for the languages that `--language` names: codes with commas between them, or `all`.

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
    else:
        codes = find_languages(wanted.split(","))
    changes = {} if recipe.language.model_sha256 else {"model_sha256": _model_sha256(recipe, cache)}
    return with_languages(recipe, codes, **changes)


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
