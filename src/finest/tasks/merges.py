"""Merges as work: accepted datasets of a crawl, in groups that become one dataset each.

A group is an entry of the list of its work, named by a hash over the datasets at their pinned revisions with their
roots. What was merged is a dataset like any other: once it is accepted, the index names it in place of its parts, and
it may be merged with others again.

A merge that somebody tried in vain, and of which a dataset is gone from the Hub, is withdrawn: nobody is leased it any
more, what was made of it is not accepted, and its other datasets are free for new merges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.dataset.merge_inputs import MAX_INPUTS, MAX_MERGED_ROWS, MergeInput, MergeLease
from finest.errors import UsageError
from finest.tasks.assignment import NO_ROOT, root_after
from finest.tasks.provenance import keep_order, record_event
from finest.tasks.recipes import entry_of
from finest.tasks.tables import LIVE, claims, crawls, merges, scores, warcs
from finest.tasks.work import check_price, set_price

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

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
    withdrawn: int = 0
    """Merges that are withdrawn now, because a dataset of theirs is gone."""


class _Merge(NamedTuple):
    warc_id: int
    item: str
    lease: MergeLease
    gone: tuple[str, ...]
    """Places of its datasets that are gone; it is withdrawn if there are any."""


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
    *, without_missing: bool = False, gone: Collection[str] = (),
) -> MergeRound:  # fmt: skip
    """Append merges of datasets that are in none yet to the work of a crawl and recipe.

    `entries` are those of an index. `gone` are places of datasets that are gone from the Hub: merges of them that are
    not accepted are withdrawn, and their other datasets merged anew. A merge of fewer than `size` datasets is added
    only if nothing else can come: every merge before is accepted, and every WARC file of the crawl has an accepted
    dataset (or `without_missing`). Sets the price for new leases. Raises UsageError as `groups`.
    """
    check_price(price)
    keep_order(connection)
    name = name_of(crawl, recipe.hash)
    wanted = sa.select(crawls.c.id, crawls.c.warcs, crawls.c.root).where(crawls.c.name == name)
    before = connection.execute(wanted).one_or_none()
    known = _entries_of(entries, crawl, recipe)
    found = _all(connection, before.id) if before else []
    withdrawn = _withdraw(connection, name, crawl, _waiting(found, known), gone)
    if withdrawn and before is not None:
        found = _all(connection, before.id)
    lost = {place for one in found for place in one.gone}
    known = [one for one in known if str(one.place) not in lost]
    alive = [one for one in found if not one.gone]
    waiting = len(_waiting(alive, known))
    taken = {root for one in alive for root in one.lease.roots}
    free = [one for one in known if one.root not in taken]
    missing = _missing(connection, crawl, known)
    seen = {warc for one in known if one.root in taken for warc in one.warcs}
    new, left = groups(free, size, seen, last=not waiting and (without_missing or not missing))
    if before is not None:
        set_price(connection, name, price)
    is_whole = left == 1 and not new and not waiting and (without_missing or not missing)
    whole = max(free, key=lambda one: len(one.warcs)) if is_whole else None
    sizes = tuple(len(lease.inputs) for lease in new)
    told = MergeRound(sizes, waiting + len(new), left, missing, whole, withdrawn)
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


def _all(connection: sa.Connection, work_id: int, *conditions: sa.ColumnElement[bool]) -> list[_Merge]:
    rows = (
        sa.select(merges.c.warc_id, warcs.c.path, merges.c.lease, merges.c.gone)
        .join(warcs, warcs.c.id == merges.c.warc_id)
        .where(warcs.c.crawl_id == work_id, *conditions)
        .order_by(warcs.c.place)
    )
    return [
        _Merge(row.warc_id, row.path, MergeLease.model_validate(row.lease), tuple(row.gone or ()))
        for row in connection.execute(rows)
    ]


def _entries_of(entries: Iterable[IndexEntry], crawl: str, recipe: AskedRecipe) -> list[IndexEntry]:
    return [one for one in entries if one.crawl == crawl and one.recipe_hash == recipe.hash]


def _waiting(found: Iterable[_Merge], known: Iterable[IndexEntry]) -> list[_Merge]:
    """Return the merges to be accepted: the index names an accepted one in place of its datasets."""
    there = {one.root for one in known}
    return [one for one in found if not one.gone and not there.isdisjoint(one.lease.roots)]


def stuck(
    connection: sa.Connection, crawl: str, recipe: AskedRecipe, entries: Iterable[IndexEntry]
) -> list[MergeLease]:  # fmt: skip
    """Return the merges to be accepted that somebody tried in vain, in their order.

    A miner returned it, or its lease expired, and nobody has it now; or a validator found no evidence. Whether its
    datasets are still there is then worth a look, which is the second one: no single mistake of the Hub withdraws it.
    """
    work = connection.execute(sa.select(crawls.c.id).where(crawls.c.name == name_of(crawl, recipe.hash))).scalar()
    if work is None:
        return []
    own = claims.c.warc_id == merges.c.warc_id
    held, returned = (sa.exists().where(own, mark).correlate(merges) for mark in (LIVE, ~claims.c.live))
    unjudged = (
        sa.exists()
        .where(own, LIVE, scores.c.task_id == claims.c.task_id, scores.c.verdict == "no_evidence")
        .correlate(merges)
    )
    found = _all(connection, work, sa.or_(sa.and_(returned, ~held), unjudged))
    return [one.lease for one in _waiting(found, _entries_of(entries, crawl, recipe))]


def gone_places(connection: sa.Connection) -> set[str]:
    """Return the places of all datasets for which a merge was withdrawn."""
    found = connection.execute(sa.select(merges.c.gone).where(merges.c.gone.is_not(None))).scalars()
    return {place for places in found for place in places}


def _withdraw(
    connection: sa.Connection, name: str, crawl: str, found: Iterable[_Merge], gone: Collection[str]
) -> int:  # fmt: skip
    """Withdraw the merges with a dataset at one of the places `gone`; return how many."""
    withdrawn = 0
    for one in found:
        if places := tuple(part.place for part in one.lease.inputs if part.place in gone):
            connection.execute(sa.update(merges).where(merges.c.warc_id == one.warc_id).values(gone=list(places)))
            connection.execute(sa.update(warcs).where(warcs.c.id == one.warc_id).values(open=False))
            record_event(connection, 0, "", None, "removed", crawl=crawl, work=name, warcs=[one.item])
            withdrawn += 1
    return withdrawn


def of_tasks(connection: sa.Connection, task_ids: Sequence[str]) -> dict[str, MergeLease]:
    """Return the merge of each of these tasks that is one."""
    rows = connection.execute(_OF_TASKS, {"task_ids": list(task_ids)}).all() if task_ids else ()
    return {row.task_id: MergeLease.model_validate(row.lease) for row in rows}
