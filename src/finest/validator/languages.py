"""Recipes in a language: which of them an audit knows, and the reference of a task in a language.

A task in a language asks for one recipe, by the hash of the recipe with that language alone. That recipe is also the
reference: its rows are judged again exactly, and its own text of the same records sets the scale of quality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from finest.errors import RecipeError
from finest.recipe.recipe import SHIPPED, Recipe, load_recipe, parse_recipe
from finest.recipe.table import is_same_language, with_languages
from finest.tasks.reference import LANGUAGE, reference_at
from finest.validator.admission import known_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from finest.dataset.manifest import Manifest
    from finest.validator.models import Assignment


def recipe_in_languages(manifest: Manifest) -> Recipe | None:
    """Return the manifest's recipe, without models, if it is one of this version for certain languages; else None."""
    section = manifest.recipe.get("language")
    if not isinstance(section, dict) or manifest.recipe.get("name") not in SHIPPED:
        return None
    try:
        theirs = parse_recipe(manifest.recipe)
        ours = load_recipe(theirs.name)
        if not ours.language.table:
            return None
        return with_languages(ours, theirs.language.languages, model_sha256=theirs.language.model_sha256)
    except (ValidationError, RecipeError):
        return None


def recipes_for(task: Assignment, manifest: Manifest, cache: Path) -> dict[str, Recipe]:
    """Return the recipes by hash whose datasets an audit of this task compares exactly.

    A recipe in languages is among them if the task asks for it, or if there is no task. A miner cannot choose a rare
    language, for which there is little work, and have it count as a task that asks for no recipe.
    """
    known = known_recipes(cache)
    chosen = recipe_in_languages(manifest)
    if chosen is not None and (task.id is None or chosen.hash == task.recipe_hash):
        known[chosen.hash] = chosen
    return known


def is_in_language(task: Assignment) -> bool:
    """Return whether a task is in another language than English."""
    return task.language is not None and not is_same_language(task.language, LANGUAGE)


def reference_for(task: Assignment, manifest: Manifest, cache: Path) -> Recipe:
    """Return the recipe that the dataset of an admitted task is compared with: the one that it asks for, if any.

    Raises RecipeError if the recipe is neither one of this version nor one of the task server's list that is here.
    """
    if task.recipe_hash is None:
        return reference_at(cache, task.leased_block)
    found = recipes_for(task, manifest, cache).get(task.recipe_hash)
    if found is None:
        raise RecipeError(f"the task asks for recipe {task.recipe_hash[:12]}, which this version does not have")
    return found
