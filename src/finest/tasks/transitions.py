"""State transitions of a leased task: renew, finish, release. Every function runs inside one transaction.

The database decides races between them: each changes the task only `WHERE state = 'leased'` and only while the lease
has not expired. A call that changes no row then reads the task to find out why. For expiry see lease_expiry.py.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.tasks.lease_expiry import reopen_warcs
from finest.tasks.models import Rules, Task
from finest.tasks.problems import Problem
from finest.tasks.provenance import keep_order, record_event
from finest.tasks.queries import is_id, one_task, task_row
from finest.tasks.tables import LEASED, miners, tasks

_OWN_MINER_ID = sa.select(miners.c.id).where(miners.c.hotkey == bindparam("hotkey")).scalar_subquery()
_ACTIVE_LEASE = (
    tasks.c.id == bindparam("task_id"),
    tasks.c.miner_id == _OWN_MINER_ID,
    LEASED,
    tasks.c.expires_block >= bindparam("now"),
)
_CHANGE = sa.update(tasks).where(*_ACTIVE_LEASE)
_LAST_BLOCK = tasks.c.due_block + bindparam("renewals", type_=sa.BigInteger)
_UNTIL = bindparam("until", type_=sa.BigInteger)
_RENEW = _CHANGE.values(expires_block=sa.case((_UNTIL > _LAST_BLOCK, _LAST_BLOCK), else_=_UNTIL))


def renew(connection: sa.Connection, rules: Rules, hotkey: str, task_id: str, block: int) -> Task:
    """Renew the lease as of `block`; returns a finished task unchanged.

    A lease ends `rules.lease_lengths` lengths after it began; a renewal near that end gives what is left.
    """
    more = {"until": block + rules.lease_blocks, "renewals": (rules.lease_lengths - 1) * rules.lease_blocks}
    if (
        is_id(task_id)
        and connection.execute(_RENEW, {"hotkey": hotkey, "task_id": task_id, "now": block, **more}).rowcount == 1
    ):
        expires_block = task_row(connection, task_id).expires_block
        record_event(connection, block, hotkey, task_id, "renewed", expires_block=expires_block)
    else:
        state = _own_task_row(connection, hotkey, task_id).state
        if state == "released":
            raise Problem("task-closed", f"task {task_id} was released")
        if state != "finished":
            raise _expired(connection, task_id, block)
    return one_task(connection, task_id, block)


def finish(
    connection: sa.Connection, hotkey: str, task_id: str, block: int, *, repo: str, revision: str, root: str,
    commitment: str,
) -> Task:  # fmt: skip
    """Finish the task with what the miner published. Repeating the call gives the same answer."""
    published = {"repo": repo, "revision": revision, "root": root, "commitment": commitment}
    if _change_active(connection, hotkey, task_id, block, state="finished", closed_block=block, **published):
        record_event(connection, block, hotkey, task_id, "finished", **published)
        return one_task(connection, task_id, block)
    row = _own_task_row(connection, hotkey, task_id)
    if row.state == "released":
        raise Problem("task-closed", f"task {task_id} was released at block {row.closed_block}")
    if row.state != "finished":
        raise _expired(connection, task_id, block)
    if {name: row._mapping[name] for name in published} != published:
        raise Problem("already-finished", f"task {task_id} is finished with {row.repo}@{row.revision}, root {row.root}")
    return one_task(connection, task_id, block)


def commitment_already_used(commitment: str) -> Problem:
    """The problem for a miner that finishes a second task with a commitment that it already used."""
    return Problem("already-finished", f"another task was finished with {commitment}; each task needs its own revision")


def release(connection: sa.Connection, rules: Rules, hotkey: str, task_id: str, block: int) -> Task:
    """Release the task; its WARCs can be leased again at once."""
    keep_order(connection)
    if _change_active(connection, hotkey, task_id, block, state="released", closed_block=block):
        reopen_warcs(connection, rules, [task_id], returned=True)
        record_event(connection, block, hotkey, task_id, "released")
    else:
        row = _own_task_row(connection, hotkey, task_id)
        if row.state == "finished":
            raise Problem("already-finished", f"task {task_id} is finished and cannot be released")
        if row.state != "released":
            raise _expired(connection, task_id, block)
    return one_task(connection, task_id, block)


def _change_active(connection: sa.Connection, hotkey: str, task_id: str, block: int, **values: Any) -> bool:
    """Update the caller's task if its lease is active at `block`; returns whether it was updated."""
    if not is_id(task_id):
        return False
    named = {"hotkey": hotkey, "task_id": task_id, "now": block}
    return connection.execute(_CHANGE, {**named, **values}).rowcount == 1


def _own_task_row(connection: sa.Connection, hotkey: str, task_id: str) -> sa.Row[Any]:
    row = task_row(connection, task_id)
    if row.hotkey != hotkey:
        raise Problem("not-yours", f"task {task_id} belongs to another hotkey")
    return row


def _expired(connection: sa.Connection, task_id: str, block: int) -> Problem:
    ended = task_row(connection, task_id).expires_block
    return Problem(
        "lease-expired", f"the lease of task {task_id} expired after block {ended}; the current block is {block}"
    )
