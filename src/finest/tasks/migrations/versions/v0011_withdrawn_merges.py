"""Merges that are withdrawn: the datasets of each that are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("merges", sa.Column("gone", sa.JSON))
