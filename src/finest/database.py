"""Connect to a database (SQLite or PostgreSQL), create or update its tables, and run transactions.

SQLite allows one writer at a time. A writing transaction takes the write lock at its start (BEGIN IMMEDIATE) and waits
for it, because a transaction that began by reading fails to become a writer if another one has written meanwhile
(SQLITE_BUSY_SNAPSHOT). pysqlite by default begins transactions late and commits them at DDL; this is switched off
(SQLAlchemy's docs, "SQLite Transactions"). PostgreSQL runs at READ COMMITTED: each statement sees what was committed
before it.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from finest.errors import FinestError, UsageError
from finest.retry import Again, Policy, retry

T = TypeVar("T")
Step = Callable[[sa.Connection], T]

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""INSERT with ON CONFLICT, by SQLAlchemy dialect."""
CONNECT_S = 10
STATEMENT_MS = 30_000
"""Timeout of a statement in ms: a longer one means trouble that needs a person. Migrations and imports have none."""
BUSY_S = 30
"""How long a writer of SQLite waits for the lock."""
CONNECTIONS = 16
"""Connections per process; PostgreSQL allows 100 in total by default (max_connections)."""
TRANSACTION_RETRY = Policy(first_s=0.04, cap_s=1.0, tries=5)
TO_WAL_RETRY = Policy(first_s=0.02, cap_s=0.05, budget_s=BUSY_S)
"""For the switch to WAL, where SQLite does not wait (https://sqlite.org/wal.html#activating_and_configuring)."""
_WRITE, _READ = "BEGIN IMMEDIATE", "BEGIN"
"""The statement that begins a transaction of SQLite."""
_PASSING = frozenset({"40001", "40P01"})
"""PostgreSQL's serialization_failure and deadlock_detected: nothing was done, and a retry may succeed."""
_LOCK_KEY = 0x66696E657374
"""Key of PostgreSQL's advisory lock: the ASCII codes of "finest"."""
_one_at_a_time = threading.Lock()
"""Serialises migrations, because alembic.context is global to the process."""


class NewerTables(Exception):
    """A newer version of finest made the tables."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one kind of database: how to create or update them, and how messages name the database."""

    prepare: Callable[[sa.Connection], None]
    """Creates or updates the tables; raises NewerTables. Database holds a lock meanwhile, so that only one does it."""
    setting: str
    """The setting or flag that names the database, for messages."""
    example: str
    """An example of a file name, for messages."""
    unavailable: type[FinestError]
    answer: type[Exception] = NewerTables
    """Exception that a step may raise as its answer: what the step wrote before is committed."""


class Database:
    """A database engine that runs each transaction as one call. It is thread-safe, but not usable across a fork."""

    def __init__(self, engine: sa.Engine, tables: Tables) -> None:
        self._tables = tables
        self._engine, self.postgresql = engine, engine.dialect.name == "postgresql"
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT") if self.postgresql else engine
        self._turn = threading.Lock()

    @classmethod
    def open(cls, url: str, tables: Tables) -> Database:
        """Connect and bring the tables up to date; raises FinestError with one line that omits the password."""
        where = _parsed(url, tables)
        database = cls(_engine(where), tables)
        try:
            database._prepare()
        except DBAPIError as error:
            database.close()
            raise tables.unavailable(_unreachable(where, tables, error)) from None
        except NewerTables:
            database.close()
            newer = f"{_shown(where, tables)} was made by a newer version: pip install -U finest-data"
            raise UsageError(newer) from None
        return database

    def close(self) -> None:
        self._engine.dispose()

    def free_bytes(self) -> int | None:
        """Return the free bytes of the disk with SQLite's file; None for PostgreSQL, whose disk may be elsewhere."""
        name = self._engine.url.database
        return None if self.postgresql or name is None else shutil.disk_usage(Path(name).absolute().parent).free

    def write(self, step: Step[T]) -> T:
        """Run `step` in one transaction and return its result; an answer exception is raised after the commit."""
        return _retried(lambda: self._transact(self._engine, _WRITE, step))

    def read(self, step: Step[T]) -> T:
        """Run `step` in one read-only transaction and return its result."""
        return _retried(lambda: self._transact(self._engine, _READ, step))

    def write_one(self, step: Step[T]) -> T:
        """Like `write`, for a step of a single statement: PostgreSQL needs no BEGIN and COMMIT around it."""
        return _retried(lambda: self._transact(self._alone, _WRITE, step))

    def _transact(self, engine: sa.Engine, begin: str, step: Step[T]) -> T:
        answer: T | Exception
        with self._turn_to_write(begin), engine.begin() as connection:
            self._begin(connection, begin)
            try:
                answer = step(connection)
            except self._tables.answer as problem:
                answer = problem
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _begin(self, connection: sa.Connection, begin: str) -> None:
        """Begin SQLite's transaction; a listener of SQLAlchemy's own event would slow down every statement."""
        if not self.postgresql:
            connection.exec_driver_sql(begin)

    @contextmanager
    def _turn_to_write(self, begin: str) -> Iterator[None]:
        """Queue this process's writers to SQLite in order; SQLite itself makes them poll, so some would starve."""
        if self.postgresql or begin == _READ:
            yield
            return
        with self._turn:
            yield

    def _prepare(self) -> None:
        with _one_at_a_time, self._engine.begin() as connection:
            self._begin(connection, _WRITE)
            if self.postgresql:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
            self._tables.prepare(connection)


def _parsed(url: str, tables: Tables) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(_no_address(tables)) from None
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageError(_no_address(tables))
    if "@" in (parsed.host or ""):  # part of a password, which would be shown and looked up as a host name
        raise UsageError(f"{tables.setting}: an @ in the password is written %40")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UsageError(f"{tables.setting} names no file, but the state must be kept (sqlite:///{tables.example})")
    return parsed


def _no_address(tables: Tables) -> str:
    return (
        f"{tables.setting} is not a usable database address; write sqlite:///{tables.example} or "
        "postgresql://user:password@host:5432/database"
    )


def _engine(url: sa.URL) -> sa.Engine:
    if url.drivername == "sqlite":
        engine = sa.create_engine(
            url, connect_args={"timeout": BUSY_S, "isolation_level": None}, pool_size=CONNECTIONS, max_overflow=0,
            hide_parameters=True,
        )  # fmt: skip
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    # Without bitmap scans PostgreSQL reads the first open WARCs from their index in order, instead of sorting them all,
    # even if its statistics are outdated.
    given = {"connect_timeout": CONNECT_S, "application_name": "finest", "tcp_user_timeout": STATEMENT_MS}
    given["options"] = f"-c statement_timeout={STATEMENT_MS} -c enable_bitmapscan=off"
    arguments = {key: value for key, value in given.items() if key not in url.query}
    return sa.create_engine(
        url, connect_args=arguments, pool_size=CONNECTIONS, max_overflow=0, pool_use_lifo=True, hide_parameters=True
    )


def _prepare_sqlite(connection: Any, _: object) -> None:
    # WAL: readers do not wait for the writer. FULL: committed data survives a power cut.
    connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
    retry(
        lambda: connection.execute("PRAGMA journal_mode = WAL"),
        TO_WAL_RETRY,
        on=(sqlite3.OperationalError,),
        again=lambda error: Again() if "locked" in str(error) else None,
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _retried(transact: Callable[[], T]) -> T:
    """Return what `transact` returns, retrying after a deadlock or a connection that the server has closed.

    So a step may run twice, and must then give the same answer.
    """
    return retry(transact, TRANSACTION_RETRY, on=(DBAPIError,), again=_passes)


def _passes(error: Exception) -> Again | None:
    assert isinstance(error, DBAPIError)
    passes = error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _PASSING
    return Again() if passes else None


def _unreachable(url: sa.URL, tables: Tables, error: DBAPIError) -> str:
    said = str(error.orig).strip().partition("\n")[0]
    if url.password:
        said = said.replace(str(url.password), "***")
    return f"{_shown(url, tables)} cannot be used: {said}"


def _shown(url: sa.URL, tables: Tables) -> str:
    plain = url.difference_update_query(["password", "sslpassword"])
    return f"the database of {tables.setting} ({plain.render_as_string(hide_password=True)})"
