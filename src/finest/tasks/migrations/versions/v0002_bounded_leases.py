"""Bounded leases: the coldkey of each miner, and the block at which a lease ended before any renewal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("miners", sa.Column("coldkey", sa.String(64)))
    op.create_index("ix_miners_coldkey", "miners", ["coldkey"])
    op.add_column("tasks", sa.Column("due_block", sa.BigInteger))
    op.execute("UPDATE tasks SET due_block = expires_block")
