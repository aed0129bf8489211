"""What the doctor says of a validator's database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

from finest.chain.options import ChainOptions
from finest.doctor.database import database
from finest.doctor.subject import Subject
from finest.findings import Finding, State, ok
from finest.settings import Settings
from finest.validator.loop.queue import Queue


def look(work: Path, url: str | None = None) -> Finding:
    return database(Subject(Settings(cache=work), ChainOptions(), role="validator", work=work, database=url))


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Nor its folder."""
    assert look(tmp_path / "work") == ok(f"{tmp_path / 'work' / 'validator.db'} will be created")
    assert not (tmp_path / "work").exists()


def test_a_queue_is_left_as_it_is(tmp_path: Path) -> None:
    """What is tried in it is taken back."""
    Queue.open(f"sqlite:///{tmp_path / 'validator.db'}").close()
    with sqlite3.connect(tmp_path / "validator.db") as connection:
        before = connection.execute("SELECT * FROM sqlite_master").fetchall()
        assert look(tmp_path) == ok(f"{tmp_path / 'validator.db'} can be written")
        assert connection.execute("SELECT * FROM sqlite_master").fetchall() == before


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """It is named, with the way to another folder."""
    (tmp_path / "validator.db").write_text("no database at all " * 50)
    found = look(tmp_path)
    assert found.state is State.FAILURE
    assert "file is not a database" in found.line
    assert "finest validate --work DIR" in (found.mend or "")


def test_postgresql(tmp_path: Path) -> None:
    """Whose user may make tables is well; who may only read fails, and the password is not shown."""
    import psycopg

    from tests.tasks.postgres import Cluster, binaries

    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with Cluster() as cluster:
        url = cluster.fresh()
        assert look(tmp_path, url) == ok("PostgreSQL can be written")
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall() == []
            connection.execute("CREATE USER reader PASSWORD 'secret'")
        found = look(tmp_path, url.replace("finest@", "reader:secret@"))
    assert found.state is State.FAILURE
    assert "permission denied" in found.line
    assert "secret" not in found.line
    assert "--database postgresql://" in (found.mend or "")
