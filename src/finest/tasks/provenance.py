"""Who did what to which task, and when: one line for every change, written in the transaction of the change itself."""

from __future__ import annotations

import time
from typing import Any, Literal

import sqlalchemy as sa

from finest.tasks.tables import events

What = Literal["leased", "renewed", "finished", "released", "expired", "scored"]

_TELL = sa.insert(events)


def record(connection: sa.Connection, block: int, hotkey: str, task_id: str, what: What, **detail: object) -> None:
    """Write one line: `hotkey` did `what` to a task at `block`."""
    connection.execute(_TELL, line(block, hotkey, task_id, what, **detail))


def line(block: int, hotkey: str, task_id: str, what: What, **detail: object) -> dict[str, Any]:
    """The row of `events`, for whoever writes many at once."""
    return {"block": block, "time_s": time.time(), "hotkey": hotkey, "task_id": task_id, "what": what, "detail": detail}
