"""Where the evidence of a verdict is published; seals and kinds of canaries; seals of verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("scores", sa.Column("evidence", sa.String(320)))
    op.add_column("tasks", sa.Column("seal", sa.String(80)))
    op.add_column("tasks", sa.Column("canary", sa.String(4)))
    op.add_column("tasks", sa.Column("canary_key", sa.String(64)))
    op.add_column("tasks", sa.Column("revealed_block", sa.BigInteger))
    revealed = sa.text("canary IS NOT NULL")
    op.create_index("ix_tasks_canary", "tasks", ["id"], postgresql_where=revealed, sqlite_where=revealed)
    op.create_table(
        "verdict_seals",
        sa.Column("task_id", sa.String(32), sa.ForeignKey("tasks.id", name="fk_verdict_seals_task_id_tasks")),
        sa.Column("validator", sa.String(64)),
        sa.Column("evidence_sha256", sa.String(64), nullable=False),
        sa.Column("block", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("task_id", "validator", name="pk_verdict_seals"),
    )
