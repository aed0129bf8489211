"""Database migration: Alembic brings a task server's tables up to date."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from finest.database import NewerTables, Tables
from finest.errors import TaskServerUnavailable
from finest.tasks.problems import Problem

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: sa.Connection) -> None:
    """Bring the tables up to date; raises NewerTables."""
    if _version(connection) == _newest():
        return
    from alembic import command  # importing it takes 0.15 s, which only a new or an old database needs
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NewerTables from error


def _version(connection: sa.Connection) -> str | None:
    """Return the revision that the tables were brought to; None if there are none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def _newest() -> str:
    """Return this version's last revision, by which its file is named: `v0010_one_list_of_recipes.py` is 0010."""
    return max(path.name for path in (_MIGRATIONS / "versions").glob("v*.py"))[1:5]


TABLES = Tables(migrate, "DATABASE_URL", "finest-tasks.db", TaskServerUnavailable, answer=Problem)
"""The tables of a task server. A Problem counts as an answer, so the database keeps what was written before it."""
