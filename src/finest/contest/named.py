"""Recipes that the task server names: read from the Hub, checked against their hashes, and kept where audits find them.

A validator judges a dataset of such a recipe as it judges those of shipped recipes: every row again, exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.contest.submission import read_submission
from finest.errors import FinestError
from finest.recipe.recipe import SHIPPED
from finest.validator.admission import named_file, named_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from finest.tasks.client import TaskServer

EVERY_S = 3600.0


class NamedRecipes:
    """The validator's chore that fetches the recipes of the server's list."""

    def __init__(self, server: TaskServer, cache: Path, say: Callable[[str], None]) -> None:
        self._server, self._cache, self._say = server, cache, say

    def round(self) -> float:
        """Fetch what is new on the list; return the seconds until the next look. Raises TaskServerError.

        A recipe that is gone, broken or another one than its hash says is said and passed over.
        """
        known = named_recipes(self._cache)
        paths = {found: folder for found, folder in _folders(self._cache).items() if found in known}
        for one in self._server.recipes():
            if one.source in SHIPPED or one.hash in paths:
                continue
            try:
                submission = read_submission(one.source)
            except FinestError as error:
                self._say(f"The recipe {one.name} of the task server cannot be read: {error}")
                continue
            if submission.recipe.hash != one.hash:
                self._say(f"{one.source} is not the recipe {one.hash[:12]} that the task server names")
                continue
            paths[one.hash] = submission.install(self._cache).parent.name
            self._say(f"Recipe {one.name} ({one.hash[:12]}) is a reference of the task server; it is fetched")
        named_file(self._cache).parent.mkdir(parents=True, exist_ok=True)
        write_whole(named_file(self._cache), json.dumps(paths, indent=1, sort_keys=True).encode() + b"\n")
        return EVERY_S


def _folders(cache: Path) -> dict[str, str]:
    file = named_file(cache)
    return dict(json.loads(file.read_bytes())) if file.exists() else {}
