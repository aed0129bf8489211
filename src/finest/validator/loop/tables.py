"""The validator's tables: lines with their verdicts, batches of published evidence, and trust in other validators."""

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
    sa.Column("size", sa.Integer),  # WARCs of the task; unknown until the task server has named them
    sa.Column("tokens", sa.Float),  # verified tokens
    sa.Column("share", sa.Float),  # probability of being judged; unknown until the draw
    sa.Column("price", sa.Float),  # of a verified token; NULL for the usual one
    sa.Column("sealed", sa.Integer),  # 0 while the task server has to be told the evidence's hash, then 1
    sa.Column("batch", sa.Integer),  # of published evidence; 0 if it cannot be published
    sa.Column("task", sa.Text),  # as the task server described it, JSON; unknown until it did
    sa.Column("apart", sa.Boolean),  # true if its verdict takes so long that it is judged beside all others
    sa.UniqueConstraint("hotkey", "line"),
)
sa.Index("ix_validator_waiting", submissions.c.due_s, sqlite_where=submissions.c.verdict.is_(None),
         postgresql_where=submissions.c.verdict.is_(None))  # fmt: skip
sa.Index("ix_validator_judged", submissions.c.judged_block)
_ADDED_INDEXES = (
    sa.Index("ix_validator_block", submissions.c.block),
    sa.Index("ix_validator_touched", submissions.c.touched_s, submissions.c.hotkey, submissions.c.cpu_s),
)

trust = sa.Table(
    "validator_trust",
    metadata,
    sa.Column("hotkey", sa.String(64), primary_key=True),  # of another validator
    sa.Column("compared", sa.Integer, nullable=False),
    sa.Column("differed", sa.Integer, nullable=False),
)

batches = sa.Table(
    "validator_batches",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("root", sa.String(64)),
    sa.Column("place", sa.String(320)),  # OWNER/NAME@REVISION#ROOT; unknown until it is published
)

canaries = sa.Table(
    "validator_canaries",
    metadata,
    sa.Column("task_id", sa.String(40), primary_key=True),  # revealed, and compared with
)

spot_checks = sa.Table(
    "validator_spot_checks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("validator", sa.String(64), nullable=False),  # whose evidence was replayed
    sa.Column("task", sa.String(40), nullable=False),
    sa.Column("evidence", sa.String(320), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("difference", sa.Text, nullable=False),
    sa.Column("batch", sa.Integer),  # that says so; unknown until there is one
)

_ADDED = ("size", "tokens", "share", "price", "sealed", "batch", "task", "apart")


def prepare(connection: sa.Connection) -> None:
    """Create the tables, or add the columns and the indexes that those of an earlier version lack."""
    metadata.create_all(connection)
    there = {column["name"] for column in sa.inspect(connection).get_columns(submissions.name)}
    for name in _ADDED:
        if name not in there:
            kind = submissions.c[name].type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {submissions.name} ADD COLUMN {name} {kind}")
    for index in _ADDED_INDEXES:
        index.create(connection, checkfirst=True)


TABLES = Tables(prepare, "--database", "validator.db", RunError)
