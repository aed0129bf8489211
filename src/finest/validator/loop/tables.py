"""The validator's only table: the committed lines and their verdicts."""

from __future__ import annotations

import sqlalchemy as sa

from finest.database import Tables
from finest.errors import RunError

metadata = sa.MetaData()

submissions = sa.Table(
    "validator_submissions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("hotkey", sa.String(64), nullable=False),
    sa.Column("line", sa.String(256), nullable=False),
    sa.Column("registered_block", sa.Integer, nullable=False),
    sa.Column("block", sa.Integer, nullable=False),
    sa.Column("standing", sa.Boolean, nullable=False),
    sa.Column("due_s", sa.Float, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("cpu_s", sa.Float, nullable=False, server_default="0"),
    sa.Column("touched_s", sa.Float, nullable=False, server_default="0"),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("verdict", sa.String(16)),
    sa.Column("total", sa.Float),
    sa.Column("forged", sa.Boolean),
    sa.Column("task_id", sa.String(40)),
    sa.Column("warcs", sa.Text),
    sa.Column("judged_block", sa.Integer),
    sa.Column("evidence_sha256", sa.String(64)),
    sa.Column("reported", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("hotkey", "line"),
)
sa.Index("ix_validator_waiting", submissions.c.due_s, sqlite_where=submissions.c.verdict.is_(None),
         postgresql_where=submissions.c.verdict.is_(None))  # fmt: skip
sa.Index("ix_validator_judged", submissions.c.judged_block)

TABLES = Tables(metadata.create_all, "--database", "validator.db", RunError)
