"""Where the evidence of a verdict is published; seals and kinds of canaries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("scores", sa.Column("evidence", sa.String(320)))
    op.add_column("tasks", sa.Column("seal", sa.String(80)))
    op.add_column("tasks", sa.Column("canary", sa.String(4)))
    op.add_column("tasks", sa.Column("canary_key", sa.String(64)))
    op.add_column("tasks", sa.Column("revealed_block", sa.BigInteger))
    revealed = sa.text("canary IS NOT NULL")
    op.create_index("ix_tasks_canary", "tasks", ["id"], postgresql_where=revealed, sqlite_where=revealed)
