"""Imports: appends WARCs to a crawl's list, and reads the list. Every function runs inside one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.database import INSERTS
from finest.tasks.assignment import NO_ROOT, root_after
from finest.tasks.models import WarcPage
from finest.tasks.overlap import check_import
from finest.tasks.problems import Problem
from finest.tasks.provenance import keep_order, record_event
from finest.tasks.queries import PAGE_BYTES
from finest.tasks.tables import crawls, warcs

if TYPE_CHECKING:
    from collections.abc import Sequence

_KNOWN_AT_ONCE = 1_000
"""Paths that one query looks up."""
_ADD_CRAWL = {
    name: insert(crawls).values(name=bindparam("its_name")).on_conflict_do_nothing() for name, insert in INSERTS.items()
}
_CRAWL = sa.select(crawls.c.id, crawls.c.warcs, crawls.c.root).where(crawls.c.name == bindparam("its_name"))
_KNOWN = sa.select(warcs.c.path).where(
    warcs.c.crawl_id == bindparam("crawl_id"), warcs.c.path.in_(bindparam("paths", expanding=True))
)
_PAGE = (
    sa.select(warcs.c.path)
    .where(warcs.c.crawl_id == bindparam("crawl_id"), warcs.c.place >= bindparam("after"))
    .order_by(warcs.c.place)
    .limit(bindparam("most", type_=sa.Integer))
)


def add(connection: sa.Connection, crawl: str, paths: Sequence[str]) -> int:
    """Append the paths that are new to the crawl's list, and write that to the log; returns how many are new.

    Raises SourceError if pages of the crawl are leased in packets.
    """
    keep_order(connection)
    check_import(connection, crawl)
    connection.execute(_ADD_CRAWL[connection.dialect.name], {"its_name": crawl})
    before = connection.execute(_CRAWL, {"its_name": crawl}).one()
    new = _new(connection, before.id, paths)
    if not new:
        return 0
    rows = [{"crawl_id": before.id, "path": path, "place": place} for place, path in enumerate(new, before.warcs)]
    connection.execute(sa.insert(warcs), rows)
    count, root = before.warcs + len(new), root_after(before.root or NO_ROOT, new)
    connection.execute(sa.update(crawls).where(crawls.c.id == before.id).values(warcs=count, root=root))
    record_event(connection, 0, "", None, "imported", crawl=crawl, new=len(new), root=root, warcs=count)
    return len(new)


def page(connection: sa.Connection, crawl: str, after: int, limit: int) -> WarcPage:
    """Return up to `limit` paths of a list, a crawl's or other work's, that follow the first `after` ones.

    A page has at most PAGE_BYTES of JSON.
    """
    found = connection.execute(_CRAWL, {"its_name": crawl}).one_or_none()
    if found is None:
        raise Problem("not-found", f"this server has no crawl {crawl}; /v1/statistics lists its crawls")
    named = {"crawl_id": found.id, "after": after, "most": limit}
    paths = list(connection.execute(_PAGE, named).scalars())
    left = PAGE_BYTES
    for place, path in enumerate(paths):
        left -= len(path) + 3
        if left < 0 and place:
            paths = paths[:place]
            break
    last = after + len(paths)
    return WarcPage(paths=paths, next=last if paths and last < found.warcs else None)


def _new(connection: sa.Connection, crawl_id: int, paths: Sequence[str]) -> list[str]:
    """Return the paths, each once and in their order, that the crawl does not have yet."""
    known: set[str] = set()
    for start in range(0, len(paths), _KNOWN_AT_ONCE):
        named = {"crawl_id": crawl_id, "paths": paths[start : start + _KNOWN_AT_ONCE]}
        known.update(connection.execute(_KNOWN, named).scalars())
    return [path for path in dict.fromkeys(paths) if path not in known]
