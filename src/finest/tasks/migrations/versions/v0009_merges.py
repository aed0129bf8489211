"""Merges: the datasets of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("warc_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lease", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["warc_id"], ["warcs.id"], name=op.f("fk_merges_warc_id")),
        sa.PrimaryKeyConstraint("warc_id", name=op.f("pk_merges")),
    )
