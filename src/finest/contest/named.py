"""Recipes that the task server names: read from the Hub, checked against their hashes, and kept where audits find them.

A validator judges a dataset of such a recipe as it judges those of shipped recipes: every row again, exactly. A miner
uses the one in force for tasks that ask for no recipe, and any of them for tasks that ask for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.contest.submission import read_submission
from finest.errors import FinestError, RecipeError, RunError, TaskServerUnavailable
from finest.recipe.recipe import SHIPPED
from finest.tasks.reference import Named, named_file, named_recipes, read_named, reference_at
from finest.tasks.transport import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from finest.recipe.recipe import Recipe
    from finest.tasks.client import TaskServer
    from finest.tasks.models import ReferenceRecipe

EVERY_S, SOON_S = 3600.0, 300.0


class NamedRecipes:
    """Fetches the recipes of the server's list: a chore of the validator, and a part of the miner."""

    def __init__(self, server: TaskServer, cache: Path, say: Callable[[str], None]) -> None:
        self._server, self._cache, self._say = server, cache, say

    def round(self) -> float:
        """Fetch what is new on the list; return the seconds until the next look. Raises TaskServerError.

        A recipe that is gone, broken or another one than its hash says is told and passed over. Tasks that ask for it
        have no verdict here until it is found.
        """
        known = named_recipes(self._cache)
        places = {one.hash: one.place for one in read_named(self._cache) if one.hash in known}
        entries = []
        for one in self._listed():
            place = one.source if one.source in SHIPPED else places.get(one.hash) or self._fetched(one)
            entries.append(Named(one.hash, place, one.language, one.since_block))
        file = named_file(self._cache)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(entries, indent=1).encode() + b"\n")
        return EVERY_S if all(entry.place for entry in entries) else SOON_S

    def at(self, block: int) -> Recipe:
        """Return the reference of an English task that was leased at a block, for a miner.

        The list is fetched first; while the server is away, the last known one is used. Raises RunError if the
        recipe cannot be fetched or read here, so that the task can be released.
        """
        with suppress(TaskServerUnavailable):
            self.round()
        try:
            return reference_at(self._cache, block)
        except RecipeError as error:
            raise RunError(f"{error}; to mine with another recipe, name it with --recipe") from error

    def known(self) -> tuple[Recipe, ...]:
        """Return the recipes of the list that are here, for a miner; see `at` for when it is fetched."""
        with suppress(TaskServerUnavailable):
            self.round()
        return tuple(named_recipes(self._cache).values())

    def _listed(self) -> list[ReferenceRecipe]:
        """Return the server's list; none if the server is of a version that has no list."""
        try:
            return self._server.recipes()
        except Refused as no:
            if no.name != "not-found":
                raise
            return []

    def _fetched(self, one: ReferenceRecipe) -> str:
        """Return the folder of a recipe that was fetched now; "" if it cannot be."""
        try:
            submission = read_submission(one.source)
        except FinestError as error:
            self._say(f"The recipe {one.name} of the task server cannot be read: {error}")
            return ""
        if submission.recipe.hash != one.hash:
            self._say(f"{one.source} is not the recipe {one.hash[:12]} that the task server names")
            return ""
        what = "named by work" if one.since_block is None else f"a reference from block {one.since_block:,} on"
        self._say(f"Recipe {one.name} ({one.hash[:12]}) is {what}; it is here")
        return submission.install(self._cache).parent.name
