"""Check of the database of a validator's queue; it leaves no changes in the database."""

from __future__ import annotations

import os
from pathlib import Path

from finest.doctor.subject import Subject
from finest.errors import FinestError
from finest.findings import Finding, failure, ok

FILE = "validator.db"
_SQLITE = "sqlite:///"
_PROBE = "finest_doctor"


def database(subject: Subject) -> Finding:
    """Check that tables can be created and written, without creating a missing database file."""
    import sqlalchemy as sa

    from finest.database import Database, Tables
    from finest.errors import RunError

    file = _file(subject)
    if file is not None and not file.exists():
        return _new_file(file, subject)

    def probe(connection: sa.Connection) -> None:
        with connection.begin_nested() as left:
            connection.exec_driver_sql(f"CREATE TABLE {_PROBE} (number INTEGER)")
            connection.exec_driver_sql(f"INSERT INTO {_PROBE} VALUES (1)")  # noqa: S608 - a constant
            left.rollback()

    where = subject.database or f"{_SQLITE}{file}"
    try:
        Database.open(where, Tables(probe, "--database", FILE, RunError)).close()
    except FinestError as error:
        return failure(str(error), _mend(file, subject))
    return ok(f"{file or 'PostgreSQL'} can be written")


def _file(subject: Subject) -> Path | None:
    """Return the path of an SQLite database; None for any other kind of database."""
    if subject.database is None:
        return (subject.work / FILE).expanduser().absolute()
    if subject.database.startswith(_SQLITE):
        return Path(subject.database.removeprefix(_SQLITE).partition("?")[0]).absolute()
    return None


def _new_file(file: Path, subject: Subject) -> Finding:
    there = next(one for one in file.parents if one.is_dir())
    if not os.access(there, os.W_OK):
        return failure(f"{file} cannot be created: no permission to write in {there}", _mend(file, subject))
    return ok(f"{file} will be created")


def _mend(file: Path | None, subject: Subject) -> str:
    if file is None:
        return f"{subject.command} --database postgresql://USER:PASSWORD@HOST:5432/NAME, whose user owns the database"
    return f"ls -l {file.parent}, and change its owner to you; or {subject.command} --work DIR, a folder of yours"
