"""Database migration: Alembic brings a task server's tables up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from finest.database import NewerTables, Tables
from finest.errors import TaskServerUnavailable
from finest.tasks.problems import Problem

if TYPE_CHECKING:
    import sqlalchemy as sa

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: sa.Connection) -> None:
    """Bring the tables up to date; raises NewerTables."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NewerTables from error


TABLES = Tables(migrate, "DATABASE_URL", "finest-tasks.db", TaskServerUnavailable, answer=Problem)
"""The tables of a task server. A Problem counts as an answer, so the database keeps what was written before it."""
