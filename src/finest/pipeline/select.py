"""Select rows of a dataset by an expression: of a finished one, or in the pass that refines it.

The selection applies after deduplication, so `finest refine --where` gives the rows, files and root that `finest
select` gives of the same run's full dataset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.dataset.location import open_anywhere
from finest.dataset.manifest import MANIFEST_NAME, read_manifest
from finest.dataset.rows import schema_with
from finest.dataset.selection import Rule
from finest.dataset.subset import write_subset
from finest.errors import RecipeError, WhereError
from finest.recipe.recipe import SHIPPED, load_recipe
from finest.where import bind, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.dataset.selection import AnyRule
    from finest.dataset.subset import Progress
    from finest.recipe.recipe import Recipe


def select(
    where: str, expression: str, out: Path, *, token: str | None = None, say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int], Progress] = lambda _: lambda _: None,
) -> Manifest:  # fmt: skip
    """Write the rows of the dataset at `where` that satisfy `expression` into the folder `out`.

    `where` is a folder, OWNER/NAME@REVISION or an address. `progress` is called with the number of the dataset's rows,
    and what it returns with the number of rows examined since its last call. If `out` already holds this selection,
    only its manifest is read. Raises WhereError before anything is read, and as `write_subset`.
    """
    with open_anywhere(where, token=token, say=say) as dataset:
        schema = schema_with(dataset.manifest.columns)
        rule = Rule(where=_checked(expression, schema, str(dataset.manifest.recipe.get("name", ""))))
        return select_by(dataset, rule, out, say=say, progress=progress)


def select_by(
    dataset: Dataset, rule: AnyRule, out: Path, cache: Path | None = None, *,
    say: Callable[[str], None] = lambda _: None, progress: Callable[[int], Progress] = lambda _: lambda _: None,
) -> Manifest:  # fmt: skip
    """Write the rows of an open dataset that satisfy a rule into the folder `out`, as `select` does.

    An index that the rule needs is read from the folder `cache`.
    """
    if (found := _finished(out, dataset, rule)) is not None:
        say(f"{out} holds this selection already")
        return found
    keep = rule.keep(schema_with(dataset.manifest.columns), cache)
    say(f"Selecting from {dataset.manifest.rows:,} rows of {dataset.place}")
    return write_subset(dataset, keep, rule, out, progress(dataset.manifest.rows))


def check_where(expression: str, recipe: Recipe) -> str:
    """Return an expression on one line; raises WhereError if rows of that recipe have not the columns that it reads."""
    return _checked(expression, schema_with(recipe.columns()), recipe.name)


def _checked(expression: str, schema: pa.Schema, recipe_name: str) -> str:
    parsed = parse(expression)
    try:
        return bind(parsed, schema).text
    except WhereError as error:
        unknown = [name for name in parsed.columns() if name not in schema.names]
        if unknown and (giving := _recipes_with(unknown[0])):
            raise WhereError(
                f"{error}; the recipe {recipe_name[:64]} does not give {unknown[0]}, and these do: {', '.join(giving)}"
            ) from None
        raise


def _recipes_with(column: str) -> list[str]:
    """Return the shipped recipes whose rows have that column."""
    found = []
    for name in SHIPPED:
        try:
            if column in schema_with(load_recipe(name).columns()).names:
                found.append(f"--recipe {name}")
        except RecipeError:  # a library that the recipe pins is not installed
            continue
    return found


def _finished(out: Path, dataset: Dataset, rule: AnyRule) -> Manifest | None:
    """Return the manifest in `out` if it is that of this selection."""
    if not (out / MANIFEST_NAME).is_file():
        return None
    found = read_manifest(out)
    before = found.selections[-1] if found.selections else None
    is_same = before is not None and (before.parent_root, before.rule) == (dataset.manifest.root, rule)
    return found if is_same else None
