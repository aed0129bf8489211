"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _work()
    _tasks()
    _records()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE nonces SET UNLOGGED")
        # Leases are taken off the beginning of ix_warcs_open; its dead entries there are read past until a VACUUM.
        op.execute("ALTER TABLE warcs SET (autovacuum_vacuum_scale_factor = 0.05)")


def _work() -> None:
    op.create_table(
        "rules",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("redundancy", sa.SmallInteger, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_rules_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
    )
    op.create_table(
        "crawls",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("warcs", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crawls")),
        sa.UniqueConstraint("name", name=op.f("uq_crawls_name")),
    )
    op.create_table(
        "warcs",
        sa.Column("id", ROW, nullable=False),
        sa.Column("crawl_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("claims", sa.SmallInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("open", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.CheckConstraint("claims >= 0", name=op.f("ck_warcs_claims")),
        sa.ForeignKeyConstraint(["crawl_id"], ["crawls.id"], name=op.f("fk_warcs_crawl_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warcs")),
        sa.UniqueConstraint("path", name=op.f("uq_warcs_path")),
    )
    _partial("ix_warcs_open", "warcs", ["crawl_id", "id"], "open", unique=False)


def _tasks() -> None:
    op.create_table(
        "miners",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("hotkey", sa.String(64), nullable=False),
        sa.Column("last_block", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_miners")),
        sa.UniqueConstraint("hotkey", name=op.f("uq_miners_hotkey")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("miner_id", sa.Integer, nullable=False),
        sa.Column("crawl_id", sa.Integer, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("warcs", sa.SmallInteger, nullable=False),
        sa.Column("leased_block", sa.BigInteger, nullable=False),
        sa.Column("expires_block", sa.BigInteger, nullable=False),
        sa.Column("closed_block", sa.BigInteger),
        sa.Column("repo", sa.String(64)),
        sa.Column("revision", sa.String(40)),
        sa.Column("root", sa.String(64)),
        sa.Column("commitment", sa.String(128)),
        sa.CheckConstraint("state IN ('leased', 'finished', 'released', 'expired')", name=op.f("ck_tasks_state")),
        sa.CheckConstraint("(state = 'leased') = (closed_block IS NULL)", name=op.f("ck_tasks_closed")),
        sa.CheckConstraint("(state = 'finished') = (commitment IS NOT NULL)", name=op.f("ck_tasks_finished")),
        sa.ForeignKeyConstraint(["miner_id"], ["miners.id"], name=op.f("fk_tasks_miner_id")),
        sa.ForeignKeyConstraint(["crawl_id"], ["crawls.id"], name=op.f("fk_tasks_crawl_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    _partial("uq_tasks_slot", "tasks", ["miner_id", "slot"], "closed_block IS NULL")
    _partial("uq_tasks_commitment", "tasks", ["miner_id", "commitment"], "state = 'finished'")
    _partial("ix_tasks_expiry", "tasks", ["expires_block"], "state = 'leased'", unique=False)
    op.create_index("ix_tasks_window", "tasks", ["miner_id", "leased_block"])
    op.create_index("ix_tasks_miner", "tasks", ["miner_id", "id"])
    op.create_index("ix_tasks_state", "tasks", ["state", "id"])


def _records() -> None:
    op.create_table(
        "claims",
        sa.Column("task_id", sa.String(32), nullable=False),
        sa.Column("warc_id", ROW, nullable=False),
        sa.Column("miner_id", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("returned", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_claims_task_id")),
        sa.ForeignKeyConstraint(["warc_id"], ["warcs.id"], name=op.f("fk_claims_warc_id")),
        sa.ForeignKeyConstraint(["miner_id"], ["miners.id"], name=op.f("fk_claims_miner_id")),
        sa.PrimaryKeyConstraint("task_id", "warc_id", name=op.f("pk_claims")),
    )
    _partial("uq_claims_live", "claims", ["warc_id", "miner_id"], "live")
    _partial("ix_claims_returned", "claims", ["warc_id", "miner_id"], "returned", unique=False)
    op.create_table(
        "scores",
        sa.Column("task_id", sa.String(32), nullable=False),
        sa.Column("validator", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("evidence_sha256", sa.String(64)),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("block", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_scores_task_id")),
        sa.PrimaryKeyConstraint("task_id", "validator", name=op.f("pk_scores")),
    )
    op.create_table(
        "events",
        sa.Column("id", ROW, nullable=False),
        sa.Column("block", sa.BigInteger, nullable=False),
        sa.Column("time_s", sa.Float(53), nullable=False),
        sa.Column("hotkey", sa.String(64), nullable=False),
        sa.Column("task_id", sa.String(32), nullable=False),
        sa.Column("what", sa.String(8), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_events_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_task", "events", ["task_id", "id"])
    op.create_table(
        "nonces",
        sa.Column("hotkey", sa.String(64), nullable=False),
        sa.Column("nonce_ns", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("seen_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("hotkey", "nonce_ns", name=op.f("pk_nonces")),
    )
    op.create_index("ix_nonces_seen", "nonces", ["seen_s"])


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = True) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
