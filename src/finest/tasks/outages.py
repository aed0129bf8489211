"""Outages: time in which nobody could renew a lease, because no server process was at work or the chain was away.

The server processes note the chain's block each time they read it. If the next note is much later, every lease that was
open in between gets as many blocks more. So a miner whose lease ran into an outage of a day loses nothing by it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.tasks.provenance import event, keep_order
from finest.tasks.tables import LEASED, events, miners, rules, tasks

AWAY_BLOCKS = 50
"""Blocks without a note after which the server counts as having been away: ten minutes of the main network, the age at
which a view of the subnet authorises nobody any more. Miners renew when a third of a lease has passed, so a shorter
outage costs nobody anything."""

_ALIVE = sa.select(rules.c.alive_block)
_NOTE = sa.update(rules).values(alive_block=bindparam("block"))
_AWAY = bindparam("away", type_=sa.BigInteger)
_SINCE = bindparam("since", type_=sa.BigInteger)
_EXTEND = (
    sa.update(tasks)
    .where(LEASED, tasks.c.expires_block >= _SINCE)
    .values(
        expires_block=tasks.c.expires_block + _AWAY,
        due_block=sa.case((tasks.c.due_block >= _SINCE, tasks.c.due_block + _AWAY), else_=tasks.c.due_block),
    )
    .returning(
        tasks.c.id,
        tasks.c.expires_block,
        sa.select(miners.c.hotkey).where(miners.c.id == tasks.c.miner_id).scalar_subquery().label("hotkey"),
    )
)


def note_alive(connection: sa.Connection, block: int) -> int:
    """Note that a server process has read this block; returns how many leases it extended for an outage before it."""
    keep_order(connection)
    before = connection.execute(_ALIVE).scalar()
    if before is not None and before - AWAY_BLOCKS <= block <= before:
        return 0  # another process is ahead; far below, the chain has begun anew
    connection.execute(_NOTE, {"block": block})
    if before is None or block - before <= AWAY_BLOCKS:
        return 0
    extended = connection.execute(_EXTEND, {"since": before, "away": block - before}).all()
    if extended:
        rows = [
            event(
                block, row.hotkey, row.id, "renewed", expires_block=row.expires_block, away_from=before, away_to=block
            )
            for row in extended
        ]
        connection.execute(sa.insert(events), rows)
    return len(extended)
