"""The event log: who changed which task and when, one row per change, written in the transaction of the change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from finest.tasks.tables import events

if TYPE_CHECKING:
    from finest.tasks.models import EventKind

_INSERT_EVENT = sa.insert(events)


def record_event(
    connection: sa.Connection, block: int, hotkey: str, task_id: str, what: EventKind, **detail: object
) -> None:
    """Write one row to `events`: `hotkey` did `what` to a task at `block`."""
    connection.execute(_INSERT_EVENT, event(block, hotkey, task_id, what, **detail))


def event(block: int, hotkey: str, task_id: str, what: EventKind, **detail: object) -> dict[str, Any]:
    """A row of `events`, for callers that insert many at once; its detail omits what is None."""
    known = {key: value for key, value in detail.items() if value is not None}
    return {"block": block, "time_s": time.time(), "hotkey": hotkey, "task_id": task_id, "what": what, "detail": known}
