"""What becomes of a lease: renewed, finished, released, expired. Every function is a part of one transaction.

A race of two of these is decided by the database: each changes the task only `WHERE state = 'leased'` (and the lease
still lives), and whoever changes nothing looks why.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam as given

from finest.tasks.models import Rules, Task
from finest.tasks.problems import Problem
from finest.tasks.provenance import line, record
from finest.tasks.queries import is_id, one_task, task_row
from finest.tasks.tables import LEASED, LIVE, claims, events, miners, tasks, warcs

EXPIRED_AT_ONCE = 500
"""Tasks in one transaction of `expire`: short, so that nobody waits long for their WARCs."""

_OWN = sa.select(miners.c.id).where(miners.c.hotkey == given("hotkey")).scalar_subquery()
_ALIVE = (tasks.c.id == given("task_id"), tasks.c.miner_id == _OWN, LEASED, tasks.c.expires_block >= given("now"))
_CHANGE = sa.update(tasks).where(*_ALIVE)


def renew(connection: sa.Connection, rules: Rules, hotkey: str, task_id: str, block: int) -> Task:
    """The lease, begun anew at `block`; a finished task as it is."""
    expires_block = block + rules.lease_blocks
    if _change(connection, hotkey, task_id, block, expires_block=expires_block):
        record(connection, block, hotkey, task_id, "renewed", expires_block=expires_block)
    else:
        state = _own(connection, hotkey, task_id).state
        if state == "released":
            raise Problem("task-closed", f"task {task_id} was released")
        if state != "finished":
            raise _expired(connection, task_id, block)
    return one_task(connection, task_id, block)


def finish(
    connection: sa.Connection, hotkey: str, task_id: str, block: int, *, repo: str, revision: str, root: str,
    commitment: str,
) -> Task:  # fmt: skip
    """The task, finished with what the miner published; said again, the same answer."""
    published = {"repo": repo, "revision": revision, "root": root, "commitment": commitment}
    if _change(connection, hotkey, task_id, block, state="finished", closed_block=block, **published):
        record(connection, block, hotkey, task_id, "finished", **published)
        return one_task(connection, task_id, block)
    row = _own(connection, hotkey, task_id)
    if row.state == "released":
        raise Problem("task-closed", f"task {task_id} was released at block {row.closed_block}")
    if row.state != "finished":
        raise _expired(connection, task_id, block)
    if {name: row._mapping[name] for name in published} != published:
        raise Problem("already-finished", f"task {task_id} is finished with {row.repo}@{row.revision}, root {row.root}")
    return one_task(connection, task_id, block)


def given_before(commitment: str) -> Problem:
    """The answer to a second task of a miner that is finished with the commitment of its first."""
    return Problem(
        "already-finished", f"another task is finished with {commitment}; each task has a revision of its own"
    )


def release(connection: sa.Connection, rules: Rules, hotkey: str, task_id: str, block: int) -> Task:
    """The task, given back: its WARCs are open again at once."""
    if _change(connection, hotkey, task_id, block, state="released", closed_block=block):
        _reopen(connection, rules, [task_id], returned=True)
        record(connection, block, hotkey, task_id, "released")
    else:
        row = _own(connection, hotkey, task_id)
        if row.state == "finished":
            raise Problem("already-finished", f"task {task_id} is finished and cannot be released")
        if row.state != "released":
            raise _expired(connection, task_id, block)
    return one_task(connection, task_id, block)


def expire(connection: sa.Connection, rules: Rules, block: int) -> int:
    """Ends leases that nobody renewed before `block`, EXPIRED_AT_ONCE at the most; how many.

    Their WARCs are open again. Those that another process is changing at this moment are left to it.
    """
    ended = connection.execute(_EXPIRE, {"now": block, "most": EXPIRED_AT_ONCE}).all()
    if ended:
        _reopen(connection, rules, [row.id for row in ended], returned=False)
        told = [line(block, row.hotkey, row.id, "expired", expires_block=row.expires_block) for row in ended]
        connection.execute(sa.insert(events), told)
    return len(ended)


_DUE = (
    sa.select(tasks.c.id)
    .where(LEASED, tasks.c.expires_block < given("now"))
    .order_by(tasks.c.expires_block)
    .limit(given("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_EXPIRE = (
    sa.update(tasks)
    .where(tasks.c.id.in_(sa.select(_DUE.c.id)))
    .values(state="expired", closed_block=given("now"))
    .returning(
        tasks.c.id,
        tasks.c.expires_block,
        sa.select(miners.c.hotkey).where(miners.c.id == tasks.c.miner_id).scalar_subquery().label("hotkey"),
    )
)


def _change(connection: sa.Connection, hotkey: str, task_id: str, block: int, **values: Any) -> bool:
    """Whether the lease lived at `block`, and is changed."""
    if not is_id(task_id):
        return False
    named = {"hotkey": hotkey, "task_id": task_id, "now": block}
    return connection.execute(_CHANGE, {**named, **values}).rowcount == 1


def _own(connection: sa.Connection, hotkey: str, task_id: str) -> sa.Row[Any]:
    row = task_row(connection, task_id)
    if row.hotkey != hotkey:
        raise Problem("not-yours", f"task {task_id} belongs to another hotkey")
    return row


def _expired(connection: sa.Connection, task_id: str, block: int) -> Problem:
    ended = task_row(connection, task_id).expires_block
    return Problem("lease-expired", f"the lease of task {task_id} ended with block {ended}; it is block {block} now")


_OF_TASKS = claims.c.task_id.in_(given("task_ids", expanding=True))
_LOCK = (
    sa.select(warcs.c.id)
    .where(warcs.c.id.in_(sa.select(claims.c.warc_id).where(_OF_TASKS)))
    .order_by(warcs.c.id)
    .with_for_update()
)
_LET_GO = sa.update(claims).where(_OF_TASKS).values(live=False, returned=given("gave_back"))
_LIVING = sa.select(sa.func.count()).where(claims.c.warc_id == warcs.c.id, LIVE).scalar_subquery()
_COUNT = (
    sa.update(warcs)
    .where(warcs.c.id.in_(given("warc_ids", expanding=True)))
    .values(claims=_LIVING, open=given("redundancy") > _LIVING)
)


def _reopen(connection: sa.Connection, rules: Rules, task_ids: list[str], *, returned: bool) -> None:
    """Takes the claims of tasks back. The WARCs are locked first, in order, and then counted as they stand."""
    warc_ids = connection.execute(_LOCK, {"task_ids": task_ids}).scalars().all()
    connection.execute(_LET_GO, {"task_ids": task_ids, "gave_back": returned})
    connection.execute(_COUNT, {"warc_ids": warc_ids, "redundancy": rules.redundancy})
