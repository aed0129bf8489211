"""The server's list of recipes that tasks ask for: which recipe it is, where it is, and for which tasks.

A recipe is known by its hash, so the list tells anybody exactly what is asked for; the source says where to read it.
Work that names a recipe refers to its entry. Tasks of other work have the reference of their language: the newest entry
that names a block and has begun, so it follows from the list and the block at which the task was leased. Entries are
never changed or removed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.errors import UsageError
from finest.tasks.models import ReferenceRecipe
from finest.tasks.reference import LANGUAGE
from finest.tasks.tables import recipes

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LIST = sa.select(
    recipes.c.name, recipes.c.recipe_hash.label("hash"), recipes.c.source, recipes.c.language, recipes.c.since_block
).order_by(recipes.c.id)
_ID = sa.select(sa.func.min(recipes.c.id)).where(recipes.c.recipe_hash == bindparam("its_hash"))
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


class AskedRecipe(NamedTuple):
    """A recipe that work names."""

    name: str
    hash: str
    source: str
    """A shipped recipe's name, or REPO@REVISION on the Hub."""
    language: str | None = None


def listed(connection: Connection) -> list[ReferenceRecipe]:
    """Return the list, oldest entry first."""
    return [ReferenceRecipe.model_validate(dict(row)) for row in connection.execute(_LIST).mappings()]


def add(connection: Connection, recipe: ReferenceRecipe) -> bool:
    """Add a reference; return False if it is there. Raises UsageError for a block before the last of its language."""
    assert recipe.since_block is not None
    same = [one for one in listed(connection) if one.language == recipe.language and one.since_block is not None]
    if recipe in same:
        return False
    if same and recipe.since_block < (same[-1].since_block or 0):
        raise UsageError(
            f"{same[-1].name} is in force from block {same[-1].since_block} on, and the past cannot be changed; "
            "name a later block with --since"
        )
    _insert(connection, recipe)
    return True


def entry_of(connection: Connection, asked: AskedRecipe) -> int:
    """Return the id of the entry with this hash, which is added if there is none, for work that names the recipe."""
    if connection.execute(_ID, {"its_hash": asked.hash}).scalar() is None:
        code = asked.language if asked.language and _CODE.fullmatch(asked.language) else LANGUAGE
        entry = ReferenceRecipe(name=asked.name, hash=asked.hash, source=asked.source, language=code)
        _insert(connection, entry)
    return int(connection.execute(_ID, {"its_hash": asked.hash}).scalar_one())


def _insert(connection: Connection, recipe: ReferenceRecipe) -> None:
    values = recipe.model_dump(exclude={"hash"}) | {"recipe_hash": recipe.hash}
    connection.execute(sa.insert(recipes).values(values))
