"""The statements of the validator's queue, built once.

SQLAlchemy takes longer to build one than SQLite to run it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from finest.database import INSERTS
from finest.validator.loop.committee import MAX_DIFFERENT_SHARE, MIN_DIFFERENT
from finest.validator.loop.lines import Entry, ObservedLine
from finest.validator.loop.tables import batches, submissions, trust
from finest.validator.loop.weights import CLAIMED

USUAL_WARCS = 4
"""WARCs of a task whose size is not known yet: as many as a miner leases by default."""
DELAYED_BLOCKS = 50
"""Blocks between commitment and finish that only an outage explains: ten minutes. A miner reports within seconds, and
reporting late gains nothing, since promptness then counts from the report."""
MAX_CPU_RATIO = 2.0
"""How many times the mean CPU time of the other hotkeys' verdicts a hotkey's may take before its lines come last. An
audit's samples are of fixed size, so that honest hotkeys differ by less; lines that are judged apart do not count."""
_T = submissions.c
_CLOSED = sa.bindparam("closed", type_=sa.Integer)

ADD = {
    name: insert(submissions)
    .values({one: sa.bindparam(one) for one in (*(field.name for field in fields(ObservedLine)), "due_s")})
    .on_conflict_do_nothing()
    .returning(_T.id)
    for name, insert in INSERTS.items()
}
NAME_SIZE = (
    sa.update(submissions)
    .where(_T.hotkey == sa.bindparam("of"), _T.line == sa.bindparam("told"), _T.size.is_(None))
    .values(size=sa.bindparam("named"))
)
REMEMBER = (
    sa.update(submissions)
    .where(
        _T.hotkey == sa.bindparam("its_hotkey"), _T.line == sa.bindparam("its_line"), _T.verdict.is_(None),
        _T.task.is_(None),
    )
    .values(
        task=sa.bindparam("json"),
        block=sa.case((_T.block < _CLOSED - DELAYED_BLOCKS, _CLOSED), else_=_T.block),
    )
)  # fmt: skip
OF_ENTRY = sa.update(submissions).where(_T.id == sa.bindparam("entry"))
TRY = OF_ENTRY.values(tries=_T.tries + sa.bindparam("more_tries"), cpu_s=_T.cpu_s + sa.bindparam("more_cpu_s"))
FORFEIT = OF_ENTRY.values(share=sa.case((_T.verdict == CLAIMED, 1.0), else_=_T.share))
KNOWN_TASK = sa.select(_T.task).where(_T.id == sa.bindparam("entry"))
NEXT_DUE = sa.select(sa.func.min(_T.due_s)).where(_T.verdict.is_(None))
UNSEALED = sa.select(submissions).where(_T.sealed == 0, _T.task_id.is_not(None)).order_by(_T.id)
UNREPORTED = (
    sa.select(submissions, batches.c.place)
    .outerjoin(batches, batches.c.number == _T.batch)
    .where(
        _T.verdict.is_not(None), _T.verdict != CLAIMED, _T.task_id.is_not(None), ~_T.reported,
        _T.judged_block <= sa.bindparam("until"),
    )
    .order_by(_T.judged_block, _T.id)
)  # fmt: skip
_TRIED = sa.and_(_T.verdict.is_(None), _T.tries > 0, _T.share.is_not(None), _T.block >= sa.bindparam("since"))
_OF_PAST = (
    "hotkey", "registered_block", "block", "judged_block", "verdict", "total", "forged", "size", "tokens", "price",
    "share",
)  # fmt: skip
"""The columns that weights follow from; others of the row are large."""
PAST: sa.Select[Any] = (
    sa.select(*(_T[name] for name in _OF_PAST), sa.case((_T.size.is_(None), _T.warcs)).label("warcs"))
    .where(sa.or_(_T.judged_block >= sa.bindparam("since"), _TRIED))
    .order_by(_T.block, _T.id)
)
_SIZE = sa.func.coalesce(_T.size, USUAL_WARCS)
SIZES = (
    sa.select(_T.hotkey, _SIZE, sa.func.count())
    .where(_T.block > sa.bindparam("after"), _T.block <= sa.bindparam("until"))
    .group_by(_T.hotkey, _SIZE)
)
PAID_LINES = sa.select(_T.id, _T.hotkey, _T.line, _T.task_id).where(
    _T.verdict.in_(("pass", CLAIMED)), _T.block >= sa.bindparam("since"), sa.func.coalesce(_T.size, 1) > 0
)
EXPIRE = sa.update(submissions).where(_T.verdict.is_(None), _T.tries == 0, _T.block < sa.bindparam("before"))
DISTRUSTED = sa.select(trust.c.hotkey).where(
    trust.c.differed >= MIN_DIFFERENT, trust.c.differed > MAX_DIFFERENT_SHARE * trust.c.compared
)


def _next_due(*, apart: bool) -> sa.Select[Any]:
    hotkey = sa.func.trim(_T.hotkey)  # grouped by the column itself, SQLite would read all lines by its index
    spent = (
        sa.select(hotkey.label("hotkey"), sa.func.avg(_T.cpu_s).label("cpu_s"))
        .where(_T.touched_s > sa.bindparam("since_s"), _T.cpu_s > 0, _T.apart.is_(None))
        .group_by(hotkey)
        .cte()
    )
    everybody = sa.select(sa.func.count().label("hotkeys"), sa.func.sum(spent.c.cpu_s).label("cpu_s")).cte()
    of_others = everybody.c.cpu_s - spent.c.cpu_s
    is_slow = sa.case((spent.c.cpu_s * (everybody.c.hotkeys - 1) > MAX_CPU_RATIO * of_others, 1), else_=0)
    return (
        sa.select(*(_T[field.name] for field in fields(Entry)))
        .outerjoin(spent, spent.c.hotkey == _T.hotkey)
        .join(everybody, sa.true())
        .where(_T.verdict.is_(None), _T.due_s <= sa.bindparam("now_s"))
        .where(_T.apart.is_not(None) if apart else _T.apart.is_(None))
        .order_by(is_slow, _T.block, _T.id)
        .limit(1)
    )


NEXT = {apart: _next_due(apart=apart) for apart in (False, True)}
"""The next line of those that are judged apart, or of all others."""
NEXT_BESIDES = {
    apart: wanted.where(_T.id.not_in(sa.bindparam("busy", expanding=True))) for apart, wanted in NEXT.items()
}
"""The same without the lines of a validator's queue that are being judged."""
