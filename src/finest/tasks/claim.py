"""Claiming: turns free WARCs into a miner's task, by the rule of finest.tasks.assignment.

Claims, and whatever else changes which WARCs are free, happen one after another (provenance.keep_order). So what is
free at a claim is what the public log says up to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.tasks.assignment import NO_ROOT, Draw, first_places
from finest.tasks.provenance import record_event
from finest.tasks.tables import LIVE, OPEN, RETURNED, claims, tasks, warcs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.tasks.assignment import Beacon
    from finest.tasks.work import Work

PROBES, MOST_PROBES = (4, 64), 1024
"""Places that are looked up for each WARC wanted, first and if these are not enough, and at the most, before all free
ones are read. That happens when fewer than 1 WARC in 64 is free, 1 in 16 for the largest leases."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be created from up to `warcs` WARCs of one piece of work."""

    task_id: str
    hotkey: str
    miner_id: int
    slot: int
    warcs: int
    block: int
    seen_block: int
    beacon: Beacon
    expires_block: int
    redundancy: int
    seal: str | None = None
    """On servers with canaries (canaries.py)."""


_COUNT = sa.select(sa.func.count()).select_from(tasks).where(tasks.c.miner_id == bindparam("miner_id"))


def claim_warcs(connection: sa.Connection, new_task: NewTask, works: Sequence[Work]) -> tuple[Work, list[str]] | None:
    """Claim for a new task the free WARCs that come first for it in the first of these works that has some.

    Returns that work and their paths, or None if nothing is free. The caller has read the works after keep_order. WARCs
    that the miner released before come after all other work: it may have a reason, and others may have more luck with
    them.
    """
    number = connection.execute(_COUNT, {"miner_id": new_task.miner_id}).scalar_one() + 1
    for free in (_NEW, _FREE):
        for work in works:
            draw = Draw(work.root or NO_ROOT, new_task.beacon, new_task.hotkey, number)
            asked = replace(new_task, warcs=work.in_a_lease(new_task.warcs))
            if chosen := _first_free(connection, asked, work, draw, free):
                _insert_claim(connection, asked, work, draw, chosen)
                return work, [row.path for row in chosen]
    return None


def _free(*marks: sa.TextClause) -> sa.Select[Any]:
    """Select the WARCs of a work that are open and on which the miner has no claim with any of these marks.

    It counts claims instead of using NOT EXISTS, so that no planner turns it into a join, which would read all claims
    that the miner ever had. It adds up a count for each mark, because each mark has an index of its own.
    """
    own = sa.select(sa.func.count()).where(claims.c.warc_id == warcs.c.id, claims.c.miner_id == bindparam("miner_id"))
    counts: list[sa.ColumnElement[int]] = [own.where(mark).scalar_subquery() for mark in marks]
    return sa.select(warcs.c.id, warcs.c.place, warcs.c.path).where(
        warcs.c.crawl_id == bindparam("crawl_id"), OPEN, sum(counts[1:], counts[0]) == 0
    )


_FREE, _NEW = _free(LIVE), _free(LIVE, RETURNED)
_AMONG = {free: free.where(warcs.c.place.in_(bindparam("places", expanding=True))) for free in (_FREE, _NEW)}
"""The same, of some places."""
_MORE = warcs.c.claims + 1
_COUNT_CLAIM = (
    sa.update(warcs)
    .where(warcs.c.id.in_(bindparam("ids", expanding=True)))
    .values(claims=_MORE, open=bindparam("redundancy") > _MORE)
)
_INSERT_TASK, _INSERT_CLAIMS = sa.insert(tasks), sa.insert(claims)


def _first_free(
    connection: sa.Connection, new_task: NewTask, work: Work, draw: Draw, free: sa.Select[Any]
) -> list[sa.Row[Any]]:
    """Return the free WARCs of a work that come first for the lease, in the order of the list."""
    named = {"crawl_id": work.id, "miner_id": new_task.miner_id}
    places = np.arange(work.warcs)
    for probes in PROBES:
        probed = first_places(draw, places, min(probes * new_task.warcs, MOST_PROBES))
        found = connection.execute(_AMONG[free], {**named, "places": probed}).all()
        if len(found) >= new_task.warcs or work.warcs <= len(probed):
            break
    else:
        found = connection.execute(free, named).all()
    by_place = {row.place: row for row in found}
    first = first_places(draw, np.array(list(by_place), np.int64), new_task.warcs)
    return [by_place[place] for place in sorted(first)]


def _insert_claim(
    connection: sa.Connection, new_task: NewTask, work: Work, draw: Draw, mine: Sequence[sa.Row[Any]]
) -> None:
    connection.execute(_COUNT_CLAIM, {"ids": [row.id for row in mine], "redundancy": new_task.redundancy})
    task = {
        "id": new_task.task_id, "miner_id": new_task.miner_id, "crawl_id": work.id, "state": "leased",
        "slot": new_task.slot, "warcs": len(mine), "leased_block": new_task.seen_block,
        "expires_block": new_task.expires_block, "due_block": new_task.expires_block, "price": work.price,
        "seal": new_task.seal,
    }  # fmt: skip
    connection.execute(_INSERT_TASK, task)
    claim = {"task_id": new_task.task_id, "miner_id": new_task.miner_id}
    connection.execute(_INSERT_CLAIMS, [claim | {"warc_id": row.id} for row in mine])
    record_event(
        connection, new_task.block, new_task.hotkey, new_task.task_id, "leased", expires_block=new_task.expires_block,
        redundancy=new_task.redundancy, crawl=work.crawl, work=work.log_name, asked=new_task.warcs,
        number=draw.number, price=work.price, seal=new_task.seal,
        seen_block=new_task.seen_block, beacon_block=new_task.beacon.block, beacon=new_task.beacon.hash,
        warcs=[row.path for row in mine],
    )  # fmt: skip
