"""The recipes of the task server's list, and the reference of a task: the one in force when the task is leased.

Without such a list, or before its first entry, it is `fineweb`. A validator and a miner keep the recipes of the list in
their cache (`finest.contest.named`); an audit reads them there and never from a network. A dataset of such a recipe is
judged as one of a shipped recipe: every row again, exactly. A miner uses the reference for tasks that ask for no
recipe.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from finest.errors import RecipeError
from finest.recipe.recipe import SHIPPED, Recipe, load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

REFERENCE_RECIPE = "fineweb"
"""Recipe whose quality datasets are compared with while the list names no other. It also replaces a declared recipe
that this version does not have."""
LANGUAGE = "eng_Latn"
"""The language of tasks that name none."""


class Listed(Protocol):
    """An entry of a list of recipes that tasks ask for."""

    @property
    def language(self) -> str: ...
    @property
    def since_block(self) -> int | None: ...


_L = TypeVar("_L", bound=Listed)


def in_force(known: Iterable[_L], block: int, language: str) -> _L | None:
    """Return the reference of a language at a block; None if the list has none, and `fineweb` is the reference."""
    since = [(one.since_block, one) for one in known if one.language == language and one.since_block is not None]
    begun = [(first, one) for first, one in since if first <= block]
    return max(begun, key=lambda pair: pair[0], default=(0, None))[1]


class Named(NamedTuple):
    """An entry of the list, and where its recipe is."""

    hash: str
    place: str
    """Folder below `recipes` in the cache, or the name of a shipped recipe."""
    language: str
    since_block: int | None
    """None if only work that names the recipe asks for it."""


def named_file(cache: Path) -> Path:
    """Return the file that lists the task server's recipes."""
    return cache / "recipes" / "named.json"


def read_named(cache: Path) -> list[Named]:
    """Return the entries of the list; none if there is no list."""
    try:
        return [Named(*entry) for entry in json.loads(named_file(cache).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def named_recipes(cache: Path) -> dict[str, Recipe]:
    """Return the recipes of the list by hash; one that is not here, or that this version cannot read, is left out."""
    found: dict[str, Recipe] = {}
    for entry in read_named(cache):
        with suppress(RecipeError):
            place = entry.place if entry.place in SHIPPED else str(cache / "recipes" / entry.place / "recipe.toml")
            recipe = load_recipe(place)
            if recipe.hash == entry.hash:
                found[recipe.hash] = recipe
    return found


def reference_at(cache: Path, block: int | None, language: str = LANGUAGE) -> Recipe:
    """Return the reference of a task that was leased at a block; `fineweb` if the block is not known.

    Raises RecipeError if the list names a recipe that is not here: no other one may stand in for it.
    """
    newest = in_force(read_named(cache), block or -1, language)
    if newest is None:
        return load_recipe(REFERENCE_RECIPE)
    recipe = named_recipes(cache).get(newest.hash)
    if recipe is None:
        raise RecipeError(f"the reference recipe {newest.hash[:12]} is not on this machine; restart to fetch it")
    return recipe
