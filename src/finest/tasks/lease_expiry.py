"""Lease expiry: ends leases that nobody renewed in time, and reopens their WARCs. Runs inside a transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.tasks.models import Rules
from finest.tasks.provenance import event, keep_order
from finest.tasks.tables import LEASED, LIVE, WITHDRAWN, claims, events, miners, tasks, warcs

EXPIRY_BATCH = 500
"""The most tasks that one transaction expires; small, so that nobody waits long for their WARCs."""

_DUE = (
    sa.select(tasks.c.id)
    .where(LEASED, tasks.c.expires_block < bindparam("now"))
    .order_by(tasks.c.expires_block)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_EXPIRE = (
    sa.update(tasks)
    .where(tasks.c.id.in_(sa.select(_DUE.c.id)))
    .values(state="expired", closed_block=bindparam("now"))
    .returning(
        tasks.c.id,
        tasks.c.expires_block,
        sa.select(miners.c.hotkey).where(miners.c.id == tasks.c.miner_id).scalar_subquery().label("hotkey"),
    )
)


def expire(connection: sa.Connection, rules: Rules, block: int) -> int:
    """Expire up to EXPIRY_BATCH leases that ended before `block`, and reopen their WARCs; returns how many it expired.

    Skips the leases that another process is changing at this moment.
    """
    keep_order(connection)
    ended = connection.execute(_EXPIRE, {"now": block, "most": EXPIRY_BATCH}).all()
    if ended:
        reopen_warcs(connection, rules, [row.id for row in ended], returned=False)
        expired_events = [event(block, row.hotkey, row.id, "expired", expires_block=row.expires_block) for row in ended]
        connection.execute(sa.insert(events), expired_events)
    return len(ended)


_OF_TASKS = claims.c.task_id.in_(bindparam("task_ids", expanding=True))
_LOCK = (
    sa.select(warcs.c.id)
    .where(warcs.c.id.in_(sa.select(claims.c.warc_id).where(_OF_TASKS)))
    .order_by(warcs.c.id)
    .with_for_update()
)
_END_CLAIMS = sa.update(claims).where(_OF_TASKS).values(live=False, returned=bindparam("gave_back"))
_LIVING = sa.select(sa.func.count()).where(claims.c.warc_id == warcs.c.id, LIVE).scalar_subquery()
_COUNT = (
    sa.update(warcs)
    .where(warcs.c.id.in_(bindparam("warc_ids", expanding=True)))
    .values(claims=_LIVING, open=sa.and_(bindparam("redundancy") > _LIVING, ~WITHDRAWN))
)


def reopen_warcs(connection: sa.Connection, rules: Rules, task_ids: list[str], *, returned: bool) -> None:
    """End the claims of these tasks. Locks their WARCs in id order first, then recounts each WARC's claims."""
    warc_ids = connection.execute(_LOCK, {"task_ids": task_ids}).scalars().all()
    connection.execute(_END_CLAIMS, {"task_ids": task_ids, "gave_back": returned})
    connection.execute(_COUNT, {"warc_ids": warc_ids, "redundancy": rules.redundancy})
