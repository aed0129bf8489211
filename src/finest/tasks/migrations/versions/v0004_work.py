"""Work besides crawls: its kind, language, recipe and price. Each piece of work has its own rows in `warcs`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    price = sa.Column("price", sa.Float(53), nullable=False, server_default=sa.text("1.0"))
    op.add_column("crawls", sa.Column("kind", sa.String(16), nullable=False, server_default=sa.text("'crawl'")))
    for name, length in (("crawl", 64), ("language", 16), ("recipe", 64), ("recipe_hash", 64)):
        op.add_column("crawls", sa.Column(name, sa.String(length)))
    op.add_column("crawls", price.copy())
    op.add_column("tasks", price.copy())
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("uq_warcs_path", "warcs")
        op.create_unique_constraint("uq_warcs_crawl_id", "warcs", ["crawl_id", "path"])
    else:
        _rebuild_warcs()


def _rebuild_warcs() -> None:
    """Make `warcs` anew with another constraint, which SQLite cannot change.

    A table cannot be dropped while rows refer to it, so the claims are put aside meanwhile.
    """
    op.execute("CREATE TEMP TABLE kept_claims AS SELECT * FROM claims")
    op.execute("DELETE FROM claims")
    op.create_table(
        "new_warcs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("crawl_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("claims", sa.SmallInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("open", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.CheckConstraint("claims >= 0", name=op.f("ck_warcs_claims")),
        sa.ForeignKeyConstraint(["crawl_id"], ["crawls.id"], name=op.f("fk_warcs_crawl_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warcs")),
        sa.UniqueConstraint("crawl_id", "path", name=op.f("uq_warcs_crawl_id")),
    )
    op.execute("INSERT INTO new_warcs SELECT id, crawl_id, path, claims, open FROM warcs")
    op.drop_table("warcs")
    op.rename_table("new_warcs", "warcs")
    op.create_index("ix_warcs_open", "warcs", ["crawl_id", "id"], sqlite_where=sa.text("open"))
    op.execute("INSERT INTO claims SELECT * FROM kept_claims")
    op.execute("DROP TABLE kept_claims")
