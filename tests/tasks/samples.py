"""Names and paths for tests of the task server."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from finest.chain.payload import encode
from finest.tasks.store import Store

CRAWL = "CC-MAIN-2025-26"
REVISION, ROOT = "4c1f" * 10, "9a0e" * 16


def paths(count: int, crawl: str = CRAWL, first: int = 0) -> list[str]:
    """Paths as Common Crawl lists them."""
    stem = f"crawl-data/{crawl}/segments/1749709481111.44/warc/CC-MAIN-20250612112840-20250612142840"
    return [f"{stem}-{number:05d}.warc.gz" for number in range(first, first + count)]


def published(number: int = 1) -> dict[str, str]:
    """What a miner finishes a task with."""
    revision = f"{number:040x}"
    said = {"repo": "alice/rows", "revision": revision, "root": ROOT}
    return said | {"commitment": encode(**said)}


def look(store: Store, statement: sa.Executable) -> list[Any]:
    """Rows, read past the store."""
    return store._database.read(lambda connection: [tuple(row) for row in connection.execute(statement)])
