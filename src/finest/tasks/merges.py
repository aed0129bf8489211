"""Merges as work: accepted datasets of a crawl, in groups that become one dataset each.

A group is an entry of the list of its work, named by a hash over the datasets at their pinned revisions with their
roots. What was merged is a dataset like any other: once it is accepted, the index names it in place of its parts, and
it may be merged with others again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.dataset.merge_inputs import MAX_INPUTS, MAX_MERGED_ROWS, MergeInput, MergeLease
from finest.errors import UsageError
from finest.tasks.assignment import NO_ROOT, root_after
from finest.tasks.provenance import keep_order, record_event
from finest.tasks.recipes import entry_of
from finest.tasks.tables import claims, crawls, merges, warcs
from finest.tasks.work import check_price, set_price

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.dataset.index import IndexEntry
    from finest.tasks.recipes import AskedRecipe

_OF_TASKS = (
    sa.select(claims.c.task_id, merges.c.lease)
    .join(merges, merges.c.warc_id == claims.c.warc_id)
    .where(claims.c.task_id.in_(bindparam("task_ids", expanding=True)))
)


def name_of(crawl: str, recipe_hash: str) -> str:
    """Return the name of the work that merges the datasets of a crawl made with a recipe."""
    return f"{crawl}.merge.{recipe_hash[:8]}"


def groups(entries: Sequence[IndexEntry], recipe_hash: str, size: int) -> Iterator[MergeLease]:
    """Yield groups of `size` datasets of the recipe, in their order; what is left over waits for more.

    No two of a group have a WARC in common, and together they have at most MAX_MERGED_ROWS. Datasets of chosen pages
    cannot be merged. Raises UsageError for a size that no merge has.
    """
    if not 2 <= size <= MAX_INPUTS:
        raise UsageError(f"a merge is of 2 to {MAX_INPUTS} datasets, not {size}")
    waiting, seen, rows = list[MergeInput](), set[str](), 0
    for one in entries:
        if one.recipe_hash != recipe_hash or one.kind == "packets" or not seen.isdisjoint(one.warcs):
            continue
        if rows + one.rows > MAX_MERGED_ROWS:
            continue
        seen.update(one.warcs)
        rows += one.rows
        waiting.append(MergeInput(place=str(one.place), root=one.root, rows=one.rows, tokens=one.tokens))
        if len(waiting) == size:
            yield MergeLease.of(waiting)
            waiting, seen, rows = [], set(), 0


def add(
    connection: sa.Connection, crawl: str, recipe: AskedRecipe, entries: Sequence[IndexEntry], size: int, price: float
) -> int:  # fmt: skip
    """Append merges of datasets that are in none yet to the work of a crawl and recipe; returns how many are new.

    `entries` are those of an index. Sets the price for new leases. Raises UsageError as `groups`.
    """
    check_price(price)
    keep_order(connection)
    name = name_of(crawl, recipe.hash)
    found = connection.execute(sa.select(crawls.c.id, crawls.c.warcs, crawls.c.root).where(crawls.c.name == name))
    before = found.one_or_none()
    taken = {one.root for lease in _all(connection, before.id) for one in lease.inputs} if before else set()
    free = [one for one in entries if one.crawl == crawl and one.root not in taken]
    new = list(groups(free, recipe.hash, size))
    if before is not None:
        set_price(connection, name, price)
    if not new:
        return 0
    work_id, count, root = before or (_begin(connection, name, crawl, recipe, price), 0, NO_ROOT)
    items = [lease.item(crawl) for lease in new]
    for place, (item, lease) in enumerate(zip(items, new, strict=True), count):
        row = sa.insert(warcs).values(crawl_id=work_id, path=item, place=place).returning(warcs.c.id)
        warc_id = connection.execute(row).scalar_one()
        connection.execute(sa.insert(merges).values(warc_id=warc_id, lease=lease.model_dump(mode="json")))
    count, root = count + len(new), root_after(root, items)
    connection.execute(sa.update(crawls).where(crawls.c.id == work_id).values(warcs=count, root=root))
    record_event(
        connection, 0, "", None, "imported", crawl=crawl, work=name, kind="merge", new=len(new), root=root, warcs=count
    )
    return len(new)


def _begin(connection: sa.Connection, name: str, crawl: str, recipe: AskedRecipe, price: float) -> int:
    recipe_id = entry_of(connection, recipe)
    values = {"name": name, "kind": "merge", "crawl": crawl, "recipe_id": recipe_id, "price": price}
    return int(connection.execute(sa.insert(crawls).values(values).returning(crawls.c.id)).scalar_one())


def _all(connection: sa.Connection, work_id: int) -> Iterator[MergeLease]:
    rows = sa.select(merges.c.lease).join(warcs, warcs.c.id == merges.c.warc_id).where(warcs.c.crawl_id == work_id)
    for lease in connection.execute(rows).scalars():
        yield MergeLease.model_validate(lease)


def of_tasks(connection: sa.Connection, task_ids: Sequence[str]) -> dict[str, MergeLease]:
    """Return the merge of each of these tasks that is one."""
    rows = connection.execute(_OF_TASKS, {"task_ids": list(task_ids)}).all() if task_ids else ()
    return {row.task_id: MergeLease.model_validate(row.lease) for row in rows}
