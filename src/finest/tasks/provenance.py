"""The event log: who changed which task and when, one row per change, written in the transaction of the change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from finest.tasks.tables import events

if TYPE_CHECKING:
    from finest.tasks.models import EventKind

_INSERT_EVENT = sa.insert(events)
_LOCK_KEY = 0x66696E6F7264
"""Key of PostgreSQL's advisory lock: the ASCII codes of "finord"."""


def keep_order(connection: sa.Connection) -> None:
    """Until this transaction ends, let no other one change which WARCs are free.

    Whoever changes that calls this first. So the log has these changes in the order in which they took effect, and what
    was free at a lease can be computed from it. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))


def record_event(
    connection: sa.Connection, block: int, hotkey: str, task_id: str | None, what: EventKind, **detail: object
) -> None:
    """Write one row to `events`: `hotkey` did `what` to a task at `block`; an import has neither task nor hotkey."""
    connection.execute(_INSERT_EVENT, event(block, hotkey, task_id, what, **detail))


def event(block: int, hotkey: str, task_id: str | None, what: EventKind, **detail: object) -> dict[str, Any]:
    """A row of `events`, for callers that insert many at once; its detail omits what is None."""
    known = {key: value for key, value in detail.items() if value is not None}
    return {"block": block, "time_s": time.time(), "hotkey": hotkey, "task_id": task_id, "what": what, "detail": known}
