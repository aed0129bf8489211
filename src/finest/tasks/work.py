"""The queue of work: crawls, languages of a crawl, crawls that are refined once more after a change of the recipe, and
packets of pages that the index of a crawl chose. Merges of accepted datasets are in finest.tasks.merges.

Each piece of work has a price: the multiple of the usual pay that a verified token of its tasks gets. Leases are given
out of the work with the highest price first, and of the oldest among equals. A task keeps the price at which it was
leased. Work that names a recipe is leased only to miners that can use that recipe.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from finest.dataset.packet import Packet
from finest.errors import UsageError
from finest.tasks.assignment import NO_ROOT, root_after
from finest.tasks.models import MAX_PRICE, WorkKind
from finest.tasks.overlap import check_new
from finest.tasks.provenance import keep_order, record_event
from finest.tasks.recipes import AskedRecipe, entry_of
from finest.tasks.tables import FINISHED, LIVE, OPEN, claims, crawls, packets, recipes, tasks, warcs

CRAWL = sa.func.coalesce(crawls.c.crawl, crawls.c.name)
"""The crawl whose WARCs the work is on."""


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work, a row of the table `crawls`."""

    id: int
    name: str
    kind: WorkKind
    crawl: str
    language: str | None
    recipe: str | None
    recipe_hash: str | None
    price: float
    warcs: int
    """Length of its list."""
    root: str | None
    """Of its list (assignment.py)."""
    pages_where: str | None
    """The expression that chose the pages of packets."""

    def in_a_lease(self, asked: int) -> int:
        """The number of items of its list in a lease of so many WARCs; a packet or a merge fills a lease."""
        return 1 if self.kind in ("packets", "merge") else asked

    @property
    def log_name(self) -> str | None:
        """The name in the public log; None for a whole crawl, whose WARCs earlier versions logged without a name."""
        return None if self.kind == "crawl" else self.name

    @property
    def of_task(self) -> dict[str, Any]:
        """The fields of a task that say what its work is."""
        names = ("kind", "crawl", "language", "recipe", "recipe_hash", "price")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class NewWork:
    """Work on a crawl with a recipe of this hash: in a language, as a refinement of what is finished, or on packets."""

    crawl: str
    recipe: str
    recipe_hash: str
    language: str | None = None
    pages_where: str | None = None
    """The expression that chose the pages of its packets."""
    source: str | None = None
    """Where the recipe is: REPO@REVISION on the Hub; None for a shipped one."""
    packets: tuple[Packet, ...] = ()

    @property
    def asked(self) -> AskedRecipe:
        """The recipe that it names."""
        return AskedRecipe(self.recipe, self.recipe_hash, self.source or self.recipe, self.language)

    @property
    def kind(self) -> WorkKind:
        if self.pages_where is not None:
            return "packets"
        return "language" if self.language else "refinement"

    @property
    def name(self) -> str:
        """The work's name, of up to 64 characters."""
        what = self.language or self.recipe[:24]
        if self.pages_where is not None:
            what = f"pages-{hashlib.sha256(f'{self.pages_where} {what}'.encode()).hexdigest()[:8]}"
        return f"{self.crawl}.{what}.{self.recipe_hash[:8]}"


FIELDS_OF_TASK = (
    CRAWL.label("crawl"), crawls.c.kind, crawls.c.language, recipes.c.name.label("recipe"), recipes.c.recipe_hash,
)  # fmt: skip
"""The fields of a task that describe its work, except the price, which the task keeps itself. A query that selects them
joins the entry of the recipe (ASKS_FOR)."""
ASKS_FOR = recipes.c.id == crawls.c.recipe_id
_FIELDS = (
    crawls.c.id, crawls.c.name, crawls.c.price, crawls.c.warcs, crawls.c.root, crawls.c.pages_where, *FIELDS_OF_TASK,
)  # fmt: skip
_HAS_OPEN = sa.exists().where(warcs.c.crawl_id == crawls.c.id, OPEN).correlate(crawls)
IN_ORDER = (sa.case((crawls.c.kind == "merge", 0), else_=1), crawls.c.price.desc(), crawls.c.id)
"""The order in which leases are given out: merges first, since a token of theirs takes a fraction of the usual work and
has a price to match; then the highest price, then the oldest work."""


def open_works(
    connection: sa.Connection, crawl: str | None, hashes: Sequence[str], kinds: Sequence[WorkKind]
) -> list[Work]:  # fmt: skip
    """The works with open items that a miner of these recipes and kinds can do, in the order of their leases."""
    fits = sa.or_(crawls.c.recipe_id.is_(None), recipes.c.recipe_hash.in_(hashes))
    wanted = sa.select(*_FIELDS).select_from(crawls).outerjoin(recipes, ASKS_FOR).order_by(*IN_ORDER)
    wanted = wanted.where(_HAS_OPEN, fits, crawls.c.kind.in_(kinds))
    if crawl is not None:
        wanted = wanted.where(_is_of(crawl))
    return [Work(**row) for row in connection.execute(wanted).mappings()]


def _is_of(crawl: str) -> sa.ColumnElement[bool]:
    """Condition: the work has this name, or is on the WARCs of this crawl."""
    return sa.or_(crawls.c.name == crawl, crawls.c.crawl == crawl)


def ids_of_crawl(connection: sa.Connection, crawl: str) -> list[int]:
    """The ids of all work with this name or on the WARCs of this crawl."""
    return list(connection.execute(sa.select(crawls.c.id).where(_is_of(crawl))).scalars())


def set_price(connection: sa.Connection, name: str, price: float) -> None:
    """Set the price for new leases of a work; raises UsageError if there is no such work, or no such price."""
    check_price(price)
    if not connection.execute(sa.update(crawls).where(crawls.c.name == name).values(price=price)).rowcount:
        raise UsageError(f"there is no work {name}: finest tasks show lists all work")


def check_price(price: float) -> None:
    """Raise UsageError if there is no such price."""
    if not 0 < price <= MAX_PRICE:
        raise UsageError(f"a price is above 0 and at most {MAX_PRICE:g}, not {price:g}; 1 is the usual one")


def add_work(connection: sa.Connection, work: NewWork, price: float) -> int:
    """Add work on a crawl, or only set its price if it is there; returns how many WARCs or packets are new.

    A language gets all WARCs of the crawl. A refinement gets those that are finished at this moment; what is finished
    later was refined with the newer recipe already. Raises UsageError if a crawl whose WARCs it needs was not imported,
    if nothing of it is finished yet, if its pages are leased by other work already, or if there is no such price.
    """
    check_price(price)
    keep_order(connection)
    if has_work(connection, work.name):
        set_price(connection, work.name, price)
        return 0
    check_new(connection, work)
    values = {
        "name": work.name, "kind": work.kind, "crawl": work.crawl, "language": work.language, "price": price,
        "pages_where": work.pages_where,
        "recipe_id": entry_of(connection, work.asked),
    }  # fmt: skip
    work_id = connection.execute(sa.insert(crawls).values(values).returning(crawls.c.id)).scalar_one()
    items = _add_packets(connection, work_id, work) if work.kind == "packets" else _add_warcs(connection, work_id, work)
    new, root = len(items), root_after(NO_ROOT, items)
    connection.execute(sa.update(crawls).where(crawls.c.id == work_id).values(warcs=new, root=root))
    kind = {} if work.pages_where is None else {"kind": work.kind, "where": work.pages_where}
    record_event(
        connection, 0, "", None, "imported", crawl=work.crawl, work=work.name, new=new, root=root, warcs=new, **kind
    )
    return new


def has_work(connection: sa.Connection, name: str) -> bool:
    """Whether there is a work of this name."""
    return connection.execute(sa.select(crawls.c.id).where(crawls.c.name == name)).scalar() is not None


def _add_packets(connection: sa.Connection, work_id: int, work: NewWork) -> list[str]:
    """Give a work its packets; returns their names."""
    items = [packet.item for packet in work.packets]
    if not items:
        raise UsageError(f"work {work.name} has no packet")
    rows = [{"crawl_id": work_id, "path": item, "place": place} for place, item in enumerate(items)]
    connection.execute(sa.insert(warcs), rows)
    ids = connection.execute(sa.select(warcs.c.id).where(warcs.c.crawl_id == work_id).order_by(warcs.c.place)).scalars()
    for warc_id, packet in zip(ids.all(), work.packets, strict=True):
        data = zlib.compress(packet.model_dump_json().encode(), 9)
        row = {"warc_id": warc_id, "root": packet.choice.root, "pages": packet.choice.pages, "packet": data}
        connection.execute(sa.insert(packets), row)
    return items


def _add_warcs(connection: sa.Connection, work_id: int, work: NewWork) -> list[str]:
    """Give a work the WARCs of its crawl, all or those that are finished; returns their paths."""
    source = connection.execute(
        sa.select(crawls.c.id).where(crawls.c.name == work.crawl, crawls.c.kind == "crawl")
    ).scalar()
    if source is None:
        raise UsageError(f"crawl {work.crawl} is not imported yet: finest tasks import {work.crawl}")
    paths = _copy_warcs(connection, source, work_id, finished=work.kind == "refinement")
    if not paths:
        raise UsageError(f"nothing of {work.crawl} is finished yet, so there is nothing to refine once more")
    return paths


def _copy_warcs(connection: sa.Connection, source: int, work_id: int, *, finished: bool) -> list[str]:
    """Give a work the WARCs of a crawl, all or those that are finished, in the crawl's order; returns their paths."""
    place = sa.func.row_number().over(order_by=warcs.c.place) - 1
    chosen = sa.select(sa.literal(work_id), warcs.c.path, place).where(warcs.c.crawl_id == source)
    chosen = chosen.order_by(warcs.c.place)
    if finished:
        done = sa.exists().where(claims.c.warc_id == warcs.c.id, LIVE, tasks.c.id == claims.c.task_id, FINISHED)
        chosen = chosen.where(done.correlate(warcs))
    connection.execute(sa.insert(warcs).from_select(["crawl_id", "path", "place"], chosen))
    copied = sa.select(warcs.c.path).where(warcs.c.crawl_id == work_id).order_by(warcs.c.place)
    return list(connection.execute(copied).scalars())
