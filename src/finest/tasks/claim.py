"""Claiming: turns open WARCs into a miner's task, in one statement on PostgreSQL and under the single writer on SQLite.

Two miners never claim the same rows at the same moment: PostgreSQL skips locked rows (SKIP LOCKED), and SQLite's
writers run one after another. WARCs are always locked in id order, which prevents deadlocks.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from finest.tasks.provenance import record_event
from finest.tasks.tables import claims, tasks, warcs

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be created from up to `warcs` WARCs of one piece of work."""

    task_id: str
    hotkey: str
    miner_id: int
    slot: int
    warcs: int
    crawl_id: int
    """The work's id."""
    work: str | None
    """Name of the work for the log; None for a whole crawl."""
    price: float
    block: int
    seen_block: int
    expires_block: int
    redundancy: int


def claim_warcs(connection: sa.Connection, choices: Sequence[NewTask]) -> tuple[NewTask, list[str]] | None:
    """Claim WARCs for the first of the new tasks whose work has some; returns it with their paths, or None.

    The WARCs are the first, in path order, that are open to this miner. Those that the miner released before come after
    all other work: it may have a reason, and others may have more luck with them.
    """
    for which in (_NEW, _OPEN):
        for new_task in choices:
            if paths := _claim(connection, new_task, which):
                return new_task, paths
    for new_task in choices if connection.dialect.name == "postgresql" else ():
        named = asdict(new_task) | {"time_s": time.time()}
        if connection.execute(_ANY, named).scalar_one():
            # Other requests are claiming the last open WARCs; wait for the ones that they leave.
            rows = connection.execute(_WAITING_FOR_LOCKS, named)
            if paths := [row.path for row in rows]:
                return new_task, paths
    return None


def _claim(connection: sa.Connection, new_task: NewTask, which: str) -> list[str]:
    if connection.dialect.name == "sqlite":
        return _claim_on_sqlite(connection, new_task, which)
    named = asdict(new_task) | {"time_s": time.time()}
    return [row.path for row in connection.execute(_SKIPPING_LOCKED[which], named)]


def _open(*marks: str) -> str:
    """SQL condition: the WARC is open, and the miner has no claim on it with any of these marks.

    It counts claims instead of using NOT EXISTS, so that no planner turns it into a join, which would read all claims
    that the miner ever had. It adds up the counts in one condition, because with two conditions PostgreSQL expects
    hardly any match and sorts all WARCs.
    """
    counts = [f"(SELECT count(*) FROM claims WHERE warc_id = warcs.id AND miner_id = :miner_id AND {m})" for m in marks]  # noqa: S608
    return f"open AND crawl_id = :crawl_id AND {' + '.join(counts)} = 0"


_OPEN, _NEW = _open("live"), _open("live", "returned")
_ANY = sa.text(f"SELECT EXISTS (SELECT 1 FROM warcs WHERE {_OPEN})")  # noqa: S608


def _first(which: str) -> str:
    """SQL for the first matching WARCs, in the order of ix_warcs_open, so that the database reads only part of it."""
    return f"SELECT id, crawl_id, path FROM warcs WHERE {which} ORDER BY crawl_id, id LIMIT :warcs"  # noqa: S608


def _statement(which: str, lock: str) -> sa.TextClause:
    return sa.text(f"""
        WITH first AS MATERIALIZED ({_first(which)} {lock}),
        claimed AS (
            UPDATE warcs SET claims = claims + 1, open = claims + 1 < :redundancy FROM first WHERE warcs.id = first.id
        ), task AS (
            INSERT INTO tasks (
                id, miner_id, crawl_id, state, slot, warcs, leased_block, expires_block, due_block, price
            )
            SELECT :task_id, :miner_id, min(crawl_id), 'leased', :slot, count(*), :seen_block, :expires_block,
                   :expires_block, :price
            FROM first HAVING count(*) > 0
        ), claim AS (
            INSERT INTO claims (task_id, warc_id, miner_id) SELECT :task_id, id, :miner_id FROM first
        ), event AS (
            INSERT INTO events (block, time_s, hotkey, task_id, what, detail)
            SELECT :block, :time_s, :hotkey, :task_id, 'leased', json_build_object(
                'expires_block', CAST(:expires_block AS bigint), 'redundancy', CAST(:redundancy AS int),
                'warcs', json_agg(path ORDER BY id), 'work', CAST(:work AS text),
                'price', CAST(:price AS double precision)
            ) FROM first HAVING count(*) > 0
        )
        SELECT path FROM first ORDER BY id
    """)  # noqa: S608


_SKIPPING_LOCKED = {which: _statement(which, "FOR UPDATE OF warcs SKIP LOCKED") for which in (_NEW, _OPEN)}
_WAITING_FOR_LOCKS = _statement(_OPEN, "FOR UPDATE OF warcs")
_NEXT = {which: sa.text(_first(which)) for which in (_NEW, _OPEN)}


def _claim_on_sqlite(connection: sa.Connection, new_task: NewTask, which: str) -> list[str]:
    mine = connection.execute(_NEXT[which], asdict(new_task)).all()
    if mine:
        _insert_claim(connection, new_task, mine)
    return [row.path for row in mine]


def _insert_claim(connection: sa.Connection, new_task: NewTask, mine: Sequence[sa.Row[Any]]) -> None:
    more = warcs.c.claims + 1
    counted = sa.update(warcs).where(warcs.c.id.in_([row.id for row in mine]))
    connection.execute(counted.values(claims=more, open=more < new_task.redundancy))
    task = {
        "id": new_task.task_id, "miner_id": new_task.miner_id, "crawl_id": mine[0].crawl_id, "state": "leased",
        "slot": new_task.slot, "warcs": len(mine), "leased_block": new_task.seen_block,
        "expires_block": new_task.expires_block, "due_block": new_task.expires_block, "price": new_task.price,
    }  # fmt: skip
    connection.execute(sa.insert(tasks), task)
    claim = {"task_id": new_task.task_id, "miner_id": new_task.miner_id}
    connection.execute(sa.insert(claims), [claim | {"warc_id": row.id} for row in mine])
    record_event(
        connection, new_task.block, new_task.hotkey, new_task.task_id, "leased", expires_block=new_task.expires_block,
        redundancy=new_task.redundancy, warcs=[row.path for row in mine], work=new_task.work,
        price=new_task.price,
    )  # fmt: skip
