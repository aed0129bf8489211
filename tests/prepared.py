"""Databases whose tables are there already: copies of one that migrations made, as these take longer than a test."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from finest.tasks.store import Store
from finest.validator.loop.queue import Queue

if TYPE_CHECKING:
    from tests.tasks.postgres import Cluster

_folder = TemporaryDirectory(prefix="finest-prepared-")


def open_and_close(kind: str, url: str) -> None:
    """Make the tables of a task server ("tasks") or a validator ("queue")."""
    (Store.open(url) if kind == "tasks" else Queue.open(url)).close()


@cache
def _sqlite(kind: str) -> Path:
    path = Path(_folder.name) / f"{kind}.db"
    open_and_close(kind, f"sqlite:///{path}")
    return path


def sqlite(kind: str, path: Path) -> str:
    """The URL of a SQLite database at `path`, with the tables of this kind."""
    shutil.copyfile(_sqlite(kind), path)
    return f"sqlite:///{path}"


@cache
def _postgres(kind: str, cluster: Cluster) -> str:
    url = cluster.fresh()
    open_and_close(kind, url)
    return url.split("/")[3].split("?")[0]


def postgres(kind: str, cluster: Cluster) -> str:
    """The URL of a new PostgreSQL database with the tables of this kind."""
    return cluster.fresh(_postgres(kind, cluster))
