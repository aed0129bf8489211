"""The connection to a task server's database: SQLite or PostgreSQL, opened, migrated, and asked in transactions.

SQLite has one writer at a time: a transaction that writes says so at its start (BEGIN IMMEDIATE) and waits its turn,
for one that began by reading may not become a writer when another has written meanwhile (SQLITE_BUSY_SNAPSHOT).
pysqlite's own way of beginning transactions late and ending them at DDL is switched off (sqlalchemy's docs, "SQLite
Transactions"). PostgreSQL works at READ COMMITTED: each statement sees what was committed before it.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from finest.errors import TaskServerUnavailable, UsageError
from finest.tasks.problems import Problem

T = TypeVar("T")
Step = Callable[[sa.Connection], T]

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""The same ON CONFLICT in two dialects."""
CONNECT_S = 10
STATEMENT_MS = 30_000
"""A statement that takes longer has met something that a person must see to; migrations and imports may take longer."""
BUSY_S = 30
"""How long SQLite's writers wait for their turn."""
CONNECTIONS = 16
"""Of one process; PostgreSQL allows 100 (max_connections) unless told otherwise."""
TRIES = 5
FIRST_WAIT_S = 0.02
_PASSING = frozenset({"40001", "40P01"})
"""PostgreSQL's serialization_failure and deadlock_detected: nothing was done, and the same again may succeed."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x66696E657374
"""Of PostgreSQL's advisory lock: "finest"."""
_one_at_a_time = threading.Lock()
"""alembic.context belongs to the whole process."""


class Database:
    """An engine whose every transaction is one call. Safe to use from any thread; not across a fork."""

    def __init__(self, engine: sa.Engine) -> None:
        self._writing, self.postgresql = engine, engine.dialect.name == "postgresql"
        self._reading = engine.execution_options(begin="BEGIN")
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT") if self.postgresql else engine
        self._turn = threading.Lock()

    @classmethod
    def open(cls, url: str) -> Database:
        """Connect, and bring the tables up to date; raises FinestError in one line, without the password."""
        where = _parsed(url)
        database = cls(_engine(where))
        try:
            database._migrate()
        except DBAPIError as error:
            database.close()
            raise TaskServerUnavailable(_unreachable(where, error)) from None
        except CommandError:
            database.close()
            raise UsageError(f"{_shown(where)} was made by a newer version: pip install -U finest-data") from None
        return database

    def close(self) -> None:
        self._writing.dispose()

    def write(self, step: Step[T]) -> T:
        """What `step` returns, in one transaction; a Problem is an answer too: what was written before it stays."""
        return _patiently(lambda: self._transact(self._writing, step))

    def read(self, step: Step[T]) -> T:
        """What `step` returns, of one transaction that only reads."""
        return _patiently(lambda: self._transact(self._reading, step))

    def write_one(self, step: Step[T]) -> T:
        """As `write`, for a step of a single statement: PostgreSQL needs no BEGIN and COMMIT around it."""
        return _patiently(lambda: self._transact(self._alone, step))

    def _transact(self, engine: sa.Engine, step: Step[T]) -> T:
        answer: T | Problem
        with self._turn_to_write(engine), engine.begin() as connection:
            try:
                answer = step(connection)
            except Problem as problem:
                answer = problem
        if isinstance(answer, Problem):
            raise answer
        return answer

    @contextmanager
    def _turn_to_write(self, engine: sa.Engine) -> Iterator[None]:
        """SQLite's writers of one process queue here in order; SQLite itself lets them poll, and the unlucky starve."""
        if self.postgresql or engine is self._reading:
            yield
            return
        with self._turn:
            yield

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with _one_at_a_time, self._writing.begin() as connection:
            if self.postgresql:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(_NOT_A_URL) from None
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageError(_NOT_A_URL)
    if "@" in (parsed.host or ""):  # the end of a password, which would be shown and asked for as a host
        raise UsageError("DATABASE_URL: an @ in the password is written %40")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UsageError(
            "DATABASE_URL names no file: a task server's state must outlast it (sqlite:///finest-tasks.db)"
        )
    return parsed


_NOT_A_URL = (
    "DATABASE_URL is no address of a database that can be used; write sqlite:///finest-tasks.db or "
    "postgresql://user:password@host:5432/database"
)


def _engine(url: sa.URL) -> sa.Engine:
    if url.drivername == "sqlite":
        engine = sa.create_engine(
            url, connect_args={"timeout": BUSY_S, "isolation_level": None}, pool_size=CONNECTIONS, max_overflow=0,
            hide_parameters=True,
        )  # fmt: skip
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Without bitmap scans the first open WARCs are read off their index in order, and never all of them sorted, however
    # old PostgreSQL's statistics are.
    given = {"connect_timeout": CONNECT_S, "application_name": "finest", "tcp_user_timeout": STATEMENT_MS}
    given["options"] = f"-c statement_timeout={STATEMENT_MS} -c enable_bitmapscan=off"
    arguments = {key: value for key, value in given.items() if key not in url.query}
    return sa.create_engine(
        url, connect_args=arguments, pool_size=CONNECTIONS, max_overflow=0, pool_use_lifo=True, hide_parameters=True
    )


def _prepare_sqlite(connection: Any, _: object) -> None:
    # WAL: readers do not wait for the writer. FULL: what was answered is still there after a power cut.
    connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
    _insist(lambda: connection.execute("PRAGMA journal_mode = WAL"))
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _insist(act: Callable[[], object]) -> None:
    """SQLite does not wait its turn to switch a file to WAL (https://sqlite.org/wal.html#activating_and_configuring)."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.01, 0.05))


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))


def _patiently(transact: Callable[[], T]) -> T:
    """Once more, with jittered waits, after a deadlock or on a connection that the server closed meanwhile.

    Every method of the store may be said twice: it gives the same answer.
    """
    for attempt in range(1, TRIES):
        try:
            return transact()
        except DBAPIError as error:
            if not error.connection_invalidated and getattr(error.orig, "sqlstate", None) not in _PASSING:
                raise
        time.sleep(random.uniform(0.5, 1.0) * FIRST_WAIT_S * 2.0**attempt)
    return transact()


def _unreachable(url: sa.URL, error: DBAPIError) -> str:
    said = str(error.orig).strip().partition("\n")[0]
    if url.password:
        said = said.replace(str(url.password), "***")
    return f"{_shown(url)} cannot be used: {said}"


def _shown(url: sa.URL) -> str:
    plain = url.difference_update_query(["password", "sslpassword"])
    return f"the database of DATABASE_URL ({plain.render_as_string(hide_password=True)})"
