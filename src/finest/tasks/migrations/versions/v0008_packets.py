"""Packets: work on pages that an index chose, and the pages of each packet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("crawls", sa.Column("pages_where", sa.Text))
    op.create_table(
        "packets",
        sa.Column("warc_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("pages", sa.Integer, nullable=False),
        sa.Column("packet", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["warc_id"], ["warcs.id"], name=op.f("fk_packets_warc_id")),
        sa.PrimaryKeyConstraint("warc_id", name=op.f("pk_packets")),
    )
    op.create_index("ix_packets_root", "packets", ["root"])
