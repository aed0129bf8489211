"""Merges as work: accepted datasets of a crawl, in groups that become one dataset each.

A group is an entry of the list of its work, named by a hash over the datasets at their pinned revisions with their
roots. What was merged is a dataset like any other: once it is accepted, the index names it in place of its parts, and
it may be merged with others again.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    from collections.abc import Iterable, Iterator, Sequence

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


@dataclass(frozen=True, slots=True)
class MergeRound:
    """The merges that were added for a crawl and recipe, and what is left until its datasets are one."""

    sizes: tuple[int, ...]
    """Number of datasets of each new merge."""
    waiting: int
    """Merges that no validator has accepted yet, the new ones included."""
    left: int
    """Datasets in no merge."""
    missing: int
    """WARC files of the crawl without an accepted dataset."""
    whole: IndexEntry | None = None
    """The one dataset of the crawl, once there is nothing left to merge."""


def groups(
    entries: Sequence[IndexEntry], size: int, seen: Iterable[str] = (), *, last: bool = False
) -> tuple[list[MergeLease], int]:  # fmt: skip
    """Return groups of `size` datasets, in their order, and the number of those left over, which wait for more.

    With `last`, those that are left over are a group, too, if they are two or more. No two datasets have a WARC in
    common, nor one of `seen`; together those of a group have at most MAX_MERGED_ROWS. Datasets of chosen pages cannot
    be merged. Raises UsageError for a size that no merge has.
    """
    if not 2 <= size <= MAX_INPUTS:
        raise UsageError(f"a merge is of 2 to {MAX_INPUTS} datasets, not {size}")
    found, waiting, known, rows, left = list[MergeLease](), list[MergeInput](), set(seen), 0, 0
    for one in entries:
        if one.kind == "packets" or not known.isdisjoint(one.warcs):
            continue
        if rows + one.rows > MAX_MERGED_ROWS:
            left += 1
            continue
        known.update(one.warcs)
        rows += one.rows
        waiting.append(MergeInput(place=str(one.place), root=one.root, rows=one.rows, tokens=one.tokens))
        if len(waiting) == size:
            found.append(MergeLease.of(waiting))
            waiting, rows = [], 0
    if last and len(waiting) > 1:
        found.append(MergeLease.of(waiting))
        waiting = []
    return found, left + len(waiting)


def add(
    connection: sa.Connection, crawl: str, recipe: AskedRecipe, entries: Sequence[IndexEntry], size: int, price: float,
    *, without_missing: bool = False,
) -> MergeRound:  # fmt: skip
    """Append merges of datasets that are in none yet to the work of a crawl and recipe.

    `entries` are those of an index. A merge of fewer than `size` datasets is added only if nothing else can come: every
    merge before is accepted, and every WARC file of the crawl has an accepted dataset (or `without_missing`). Sets the
    price for new leases. Raises UsageError as `groups`.
    """
    check_price(price)
    keep_order(connection)
    name = name_of(crawl, recipe.hash)
    found = connection.execute(sa.select(crawls.c.id, crawls.c.warcs, crawls.c.root).where(crawls.c.name == name))
    before = found.one_or_none()
    known = [one for one in entries if one.crawl == crawl and one.recipe_hash == recipe.hash]
    there, leases = {one.root for one in known}, list(_all(connection, before.id)) if before else []
    # The index names an accepted merge in place of its datasets.
    waiting = sum(not there.isdisjoint(lease.roots) for lease in leases)
    taken = {root for lease in leases for root in lease.roots}
    free = [one for one in known if one.root not in taken]
    missing = _missing(connection, crawl, known)
    seen = {warc for one in known if one.root in taken for warc in one.warcs}
    new, left = groups(free, size, seen, last=not waiting and (without_missing or not missing))
    if before is not None:
        set_price(connection, name, price)
    is_whole = left == 1 and not new and not waiting and (without_missing or not missing)
    whole = max(free, key=lambda one: len(one.warcs)) if is_whole else None
    told = MergeRound(tuple(len(lease.inputs) for lease in new), waiting + len(new), left, missing, whole)
    if not new:
        return told
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
    return told


def _missing(connection: sa.Connection, crawl: str, entries: Sequence[IndexEntry]) -> int:
    """Return how many WARC files of a crawl are in none of these datasets."""
    has = {warc for one in entries if one.kind != "packets" for warc in one.warcs}
    of_crawl = sa.select(warcs.c.path).join(crawls, crawls.c.id == warcs.c.crawl_id).where(crawls.c.name == crawl)
    return sum(path not in has for path in connection.execute(of_crawl).scalars())


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
