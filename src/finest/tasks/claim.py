"""The claim: open WARCs become a miner's task. PostgreSQL does it in one statement, SQLite under its single writer.

Nobody gets what another is taking at this moment: PostgreSQL passes over locked rows (SKIP LOCKED), SQLite's writers
come one after another. WARCs are always locked in the order of their ids, so that nobody waits in a circle.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from finest.tasks.provenance import record
from finest.tasks.tables import claims, tasks, warcs

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task to be made of up to `warcs` WARCs of one crawl with an id from `low` to `high`."""

    task_id: str
    hotkey: str
    miner_id: int
    slot: int
    warcs: int
    low: int
    high: int
    block: int
    seen_block: int
    expires_block: int
    redundancy: int


@dataclass(frozen=True, slots=True)
class Taken:
    crawl: str
    paths: list[str]


def take(connection: sa.Connection, wanted: Wanted) -> Taken | None:
    """The first WARCs, in path order, that are open to this miner, claimed and in a new task; None if there is none.

    What the miner gave back before comes last: there may be a reason, and others may have better luck with it.
    """
    if connection.dialect.name == "sqlite":
        return _taken(_in_steps(connection, wanted, _NEW) or _in_steps(connection, wanted, _OPEN))
    named = asdict(wanted) | {"time_s": time.time(), "detail": json.dumps({"expires_block": wanted.expires_block})}
    rows = connection.execute(_AT_ONCE[_NEW], named).all() or connection.execute(_AT_ONCE[_OPEN], named).all()
    if not rows and connection.execute(_ANY, named).scalar_one():
        rows = connection.execute(_PATIENTLY, named).all()  # others are taking the last: wait for what they leave
    return _taken(rows)


def _taken(rows: Sequence[sa.Row[Any]]) -> Taken | None:
    return Taken(rows[0].crawl, [row.path for row in rows]) if rows else None


def _open(*marks: str) -> str:
    """Open WARCs of which the miner has no claim with any of these marks.

    Counted, not NOT EXISTS: no planner can turn it into a join, which would read all that the miner ever claimed. And
    counted in one sum: of two conditions PostgreSQL thinks that hardly a WARC meets both, and sorts them all.
    """
    counts = [f"(SELECT count(*) FROM claims WHERE warc_id = warcs.id AND miner_id = :miner_id AND {m})" for m in marks]  # noqa: S608
    return f"open AND crawl_id BETWEEN :low AND :high AND {' + '.join(counts)} = 0"


_OPEN, _NEW = _open("live"), _open("live", "returned")
_CRAWL = "(SELECT name FROM crawls WHERE crawls.id = crawl_id) AS crawl"
_ANY = sa.text(f"SELECT EXISTS (SELECT 1 FROM warcs WHERE {_OPEN})")  # noqa: S608


def _first(which: str) -> str:
    """Ordered as ix_warcs_open, so that it is read from its beginning to the last WARC that is taken and no further."""
    return f"SELECT id, crawl_id, path FROM warcs WHERE {which} ORDER BY crawl_id, id LIMIT :warcs"  # noqa: S608


def _statement(which: str, lock: str) -> sa.TextClause:
    return sa.text(f"""
        WITH first AS MATERIALIZED ({_first(which)} {lock}),
        mine AS MATERIALIZED (SELECT * FROM first WHERE crawl_id = (SELECT min(crawl_id) FROM first)),
        claimed AS (
            UPDATE warcs SET claims = claims + 1, open = claims + 1 < :redundancy FROM mine WHERE warcs.id = mine.id
        ), task AS (
            INSERT INTO tasks (id, miner_id, crawl_id, state, slot, warcs, leased_block, expires_block)
            SELECT :task_id, :miner_id, min(crawl_id), 'leased', :slot, count(*), :seen_block, :expires_block
            FROM mine HAVING count(*) > 0
        ), claim AS (
            INSERT INTO claims (task_id, warc_id, miner_id) SELECT :task_id, id, :miner_id FROM mine
        ), event AS (
            INSERT INTO events (block, time_s, hotkey, task_id, what, detail)
            SELECT :block, :time_s, :hotkey, :task_id, 'leased', CAST(:detail AS json) FROM mine LIMIT 1
        )
        SELECT path, {_CRAWL} FROM mine ORDER BY id
    """)  # noqa: S608


_AT_ONCE = {which: _statement(which, "FOR UPDATE OF warcs SKIP LOCKED") for which in (_NEW, _OPEN)}
_PATIENTLY = _statement(_OPEN, "FOR UPDATE OF warcs")
_NEXT = {
    which: sa.text(f"SELECT id, crawl_id, path, {_CRAWL} FROM ({_first(which)}) ORDER BY crawl_id, id")  # noqa: S608
    for which in (_NEW, _OPEN)
}


def _in_steps(connection: sa.Connection, wanted: Wanted, which: str) -> Sequence[sa.Row[Any]]:
    rows = connection.execute(_NEXT[which], asdict(wanted)).all()
    mine = [row for row in rows if row.crawl_id == rows[0].crawl_id]
    if mine:
        _claim(connection, wanted, mine)
    return mine


def _claim(connection: sa.Connection, wanted: Wanted, mine: list[sa.Row[Any]]) -> None:
    more = warcs.c.claims + 1
    counted = sa.update(warcs).where(warcs.c.id.in_([row.id for row in mine]))
    connection.execute(counted.values(claims=more, open=more < wanted.redundancy))
    task = {
        "id": wanted.task_id, "miner_id": wanted.miner_id, "crawl_id": mine[0].crawl_id, "state": "leased",
        "slot": wanted.slot, "warcs": len(mine), "leased_block": wanted.seen_block,
        "expires_block": wanted.expires_block,
    }  # fmt: skip
    connection.execute(sa.insert(tasks), task)
    claim = {"task_id": wanted.task_id, "miner_id": wanted.miner_id}
    connection.execute(sa.insert(claims), [claim | {"warc_id": row.id} for row in mine])
    expires_block = wanted.expires_block
    record(connection, wanted.block, wanted.hotkey, wanted.task_id, "leased", expires_block=expires_block)
