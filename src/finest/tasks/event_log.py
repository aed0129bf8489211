"""The public log of a task server: its events, numbered, each with a hash that covers all events up to it.

The head after an event is the SHA-256 of the head before it and of the event as canonical JSON. Whoever keeps one head
can prove later that the server changed, removed or inserted an event before it (finest.tasks.check_log).

Events get their numbers shortly after they were written, in a transaction of their own, so that leases do not wait for
one another. An event that another one depends on was committed before it, so it always has the lower number.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.chain.payload import Anchor
from finest.recipe.schema import canonical_json
from finest.tasks.models import LogEntry, LogPage
from finest.tasks.queries import PAGE_BYTES
from finest.tasks.tables import UNNUMBERED, events

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_HEAD = hashlib.sha256(b"finest-log/1").hexdigest()
"""The head of an empty log."""
NUMBER_BATCH = 1_000
"""Events that one transaction numbers; it takes some tenths of a second."""
_LOCK_KEY = 0x66696E6C6F67
"""Key of PostgreSQL's advisory lock: the ASCII codes of "finlog"."""
_FIELDS = ("number", "block", "time_s", "hotkey", "task_id", "what", "detail")

_LAST = (
    sa.select(events.c.number, events.c.head)
    .where(events.c.number.is_not(None))
    .order_by(events.c.number.desc())
    .limit(1)
)
_NEXT = sa.select(events).where(UNNUMBERED).order_by(events.c.id).limit(NUMBER_BATCH)
_NUMBER = (
    sa.update(events)
    .where(events.c.id == bindparam("event_id"))
    .values(number=bindparam("its_number"), head=bindparam("its_head"))
)
_PAGE = (
    sa.select(events)
    .where(events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("most", type_=sa.Integer))
)


def head_after(head: str, event: Mapping[str, Any]) -> str:
    """Return the head after `event`, whose keys are those of LogEntry without the head."""
    body = canonical_json({name: event[name] for name in _FIELDS})
    return hashlib.sha256(head.encode() + b"\n" + body).hexdigest()


def number_events(connection: sa.Connection) -> int:
    """Number up to NUMBER_BATCH events that have no number yet; returns how many it numbered."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    last = connection.execute(_LAST).one_or_none()
    number, head = (last.number, last.head) if last else (0, FIRST_HEAD)
    changes = []
    for row in connection.execute(_NEXT).mappings().all():
        number += 1
        head = head_after(head, {**row, "number": number})
        changes.append({"event_id": row["id"], "its_number": number, "its_head": head})
    if changes:
        connection.execute(_NUMBER, changes)
    return len(changes)


def newest(connection: sa.Connection) -> Anchor | None:
    """Return the number and head of the newest entry; None while the log is empty."""
    last = connection.execute(_LAST).one_or_none()
    return Anchor(last.number, last.head) if last else None


def page(connection: sa.Connection, after: int, limit: int) -> LogPage:
    """Return up to `limit` entries whose numbers follow `after`, and at most PAGE_BYTES of JSON."""
    rows = connection.execute(_PAGE, {"after": after, "most": limit + 1}).mappings().all()
    shown: list[LogEntry] = []
    left = PAGE_BYTES
    for row in rows[:limit]:
        entry = LogEntry.model_validate({name: row[name] for name in (*_FIELDS, "head")})
        left -= len(entry.model_dump_json())
        if left < 0 and shown:
            break
        shown.append(entry)
    return LogPage(entries=shown, next=shown[-1].number if len(rows) > len(shown) else None)
