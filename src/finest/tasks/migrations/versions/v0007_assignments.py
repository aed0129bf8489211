"""Add the inputs of assignments: the place of each WARC in its list, the list's root, and imports in the public log."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

from finest.tasks.assignment import NO_ROOT, root_after

revision = "0007"
down_revision = "0006"

BATCH = 10_000
CRAWLS = sa.table("crawls", sa.column("id"), sa.column("name"), sa.column("crawl"), sa.column("root"))
WARCS = sa.table("warcs", sa.column("crawl_id"), sa.column("place"), sa.column("path"))
EVENTS = sa.table(
    "events", sa.column("block"), sa.column("time_s"), sa.column("hotkey"), sa.column("what"),
    sa.column("detail", sa.JSON),
)  # fmt: skip


def upgrade() -> None:
    op.add_column("rules", sa.Column("alive_block", sa.BigInteger))
    op.add_column("crawls", sa.Column("root", sa.String(64)))
    op.add_column("warcs", sa.Column("place", sa.Integer))
    op.execute("""
        UPDATE warcs SET place = listed.place FROM (
            SELECT id, row_number() OVER (PARTITION BY crawl_id ORDER BY id) - 1 AS place FROM warcs
        ) AS listed WHERE listed.id = warcs.id
    """)
    op.create_index("uq_warcs_place", "warcs", ["crawl_id", "place"], unique=True)
    op.drop_index("ix_warcs_open", "warcs")
    free = sa.text("open")
    op.create_index("ix_warcs_open", "warcs", ["crawl_id", "place"], postgresql_where=free, sqlite_where=free)
    with op.batch_alter_table("events") as events:
        events.alter_column("task_id", existing_type=sa.String(32), nullable=True)
    for crawl in (
        op.get_bind().execute(sa.select(CRAWLS.c.id, CRAWLS.c.name, CRAWLS.c.crawl).order_by(CRAWLS.c.id)).all()
    ):
        names = {"crawl": crawl.crawl, "work": crawl.name} if crawl.crawl else {"crawl": crawl.name}
        _add_to_log(crawl.id, names)


def _add_to_log(crawl_id: int, names: dict[str, str]) -> None:
    """Write the imports of a list to the log, as if it had been imported now; leases before that were not drawn."""
    connection = op.get_bind()
    root, count = NO_ROOT, 0
    while paths := connection.execute(
        sa.select(WARCS.c.path)
        .where(WARCS.c.crawl_id == crawl_id, WARCS.c.place >= count)
        .order_by(WARCS.c.place)
        .limit(BATCH)
    ).scalars().all():  # fmt: skip
        root, count = root_after(root, paths), count + len(paths)
        detail = {**names, "new": len(paths), "root": root, "warcs": count}
        row = {"block": 0, "time_s": time.time(), "hotkey": "", "what": "imported", "detail": detail}
        connection.execute(sa.insert(EVENTS), row)
        connection.execute(sa.update(CRAWLS).where(CRAWLS.c.id == crawl_id).values(root=root))
