"""Where the evidence of a verdict is published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("scores", sa.Column("evidence", sa.String(320)))
