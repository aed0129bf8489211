"""The public log: the number of each event, and the hash over all events up to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("events", sa.Column("number", sa.BigInteger))
    op.add_column("events", sa.Column("head", sa.String(64)))
    op.create_index("uq_events_number", "events", ["number"], unique=True)
    unnumbered = sa.text("number IS NULL")
    op.create_index("ix_events_unnumbered", "events", ["id"], postgresql_where=unnumbered, sqlite_where=unnumbered)
