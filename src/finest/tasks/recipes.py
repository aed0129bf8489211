"""The server's list of reference recipes: which recipe tasks ask for, from which block on, and where it is.

A recipe is known by its hash, so the list tells anybody exactly what the reference is; the source says where to read
it. The newest entry of a language that has begun is in force, so the reference of a task follows from the list and the
block at which the task was leased. Entries are never changed or removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from finest.errors import UsageError
from finest.tasks.models import ReferenceRecipe
from finest.tasks.tables import recipes

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LIST = sa.select(
    recipes.c.name, recipes.c.recipe_hash.label("hash"), recipes.c.source, recipes.c.language, recipes.c.since_block
).order_by(recipes.c.id)


def listed(connection: Connection) -> list[ReferenceRecipe]:
    """Return the list, oldest entry first."""
    return [ReferenceRecipe.model_validate(dict(row)) for row in connection.execute(_LIST).mappings()]


def add(connection: Connection, recipe: ReferenceRecipe) -> bool:
    """Add an entry; return False if it is there already. Raises UsageError for a block before the language's last."""
    same = [one for one in listed(connection) if one.language == recipe.language]
    if recipe in same:
        return False
    if same and recipe.since_block < same[-1].since_block:
        raise UsageError(
            f"{same[-1].name} is in force from block {same[-1].since_block} on, and the past cannot be changed; "
            "name a later block with --since"
        )
    values = recipe.model_dump(exclude={"hash"}) | {"recipe_hash": recipe.hash}
    connection.execute(sa.insert(recipes).values(values))
    return True
