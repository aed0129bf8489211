"""Databases whose tables are there already: copies of one that migrations made, as these take longer than a test."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from finest.tasks.store import Store
from finest.validator.loop.queue import Queue

if TYPE_CHECKING:
    from tests.tasks.postgres import Cluster

_folder = TemporaryDirectory(prefix="finest-prepared-")


def _make_tables(kind: str, url: str) -> None:
    """Make the tables of a task server ("tasks") or a validator ("queue")."""
    (Store.open(url) if kind == "tasks" else Queue.open(url)).close()


@cache
def _sqlite(kind: str) -> Path:
    path = Path(_folder.name) / f"{kind}.db"
    _make_tables(kind, f"sqlite:///{path}")
    return path


def sqlite(kind: str, path: Path) -> str:
    """The URL of a SQLite database at `path`, with the tables of this kind."""
    shutil.copyfile(_sqlite(kind), path)
    return f"sqlite:///{path}"


@cache
def _postgres(kind: str, cluster: Cluster) -> str:
    url = cluster.fresh()
    _make_tables(kind, url)
    return str(make_url(url).database)


def postgres(kind: str, cluster: Cluster) -> str:
    """The URL of a new PostgreSQL database with the tables of this kind."""
    return cluster.fresh(_postgres(kind, cluster))
