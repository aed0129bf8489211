"""The coldkey of each miner, the block at which a lease ended before any renewal, and the tokens of a verdict."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("miners", sa.Column("coldkey", sa.String(64)))
    op.create_index("ix_miners_coldkey", "miners", ["coldkey"])
    op.add_column("tasks", sa.Column("due_block", sa.BigInteger))
    op.add_column("scores", sa.Column("tokens", sa.BigInteger))
    op.execute("UPDATE tasks SET due_block = expires_block")
