"""A page of a crawl is leased, and paid, once for each recipe: packets of pages exclude the whole files that hold them.

Packets and whole files overlap if they are of the same crawl in the same language, and the recipe is the same or the
files are leased for any. Packets overlap if they have a page in common. The same pages with another recipe are other
work: they are refined once more, as whole files are after a change of the recipe.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from finest.errors import SourceError, UsageError
from finest.formatting import counted
from finest.recipe.languages import ENGLISH
from finest.tasks.tables import crawls, packets, recipes, warcs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.dataset.packet import Packet
    from finest.tasks.work import NewWork

_language = sa.func.coalesce(crawls.c.language, sa.literal(ENGLISH))
"""The language of a work: a crawl and a recipe without a table of languages are in English."""


def check_new(connection: sa.Connection, work: NewWork) -> None:
    """Raise UsageError if pages of the new work are leased with the same recipe by another work, named in the error."""
    on_crawl = sa.func.coalesce(crawls.c.crawl, crawls.c.name) == work.crawl
    same_language = _language == (work.language or ENGLISH)
    of_recipe = sa.or_(crawls.c.recipe_id.is_(None), recipes.c.recipe_hash == work.recipe_hash)
    others = sa.select(crawls.c.id, crawls.c.name, crawls.c.kind).outerjoin(recipes, recipes.c.id == crawls.c.recipe_id)
    others = others.where(on_crawl, same_language, of_recipe, crawls.c.kind != "merge").order_by(crawls.c.id)
    for other in connection.execute(others):
        if work.kind != "packets" and other.kind == "packets":
            raise UsageError(f"pages of {work.crawl} are leased in packets already ({other.name}){_TWICE}{_ALONE}")
        if work.kind == "packets" and other.kind != "packets":
            raise UsageError(
                f"the files of {work.crawl} are leased whole already ({other.name}), and the chosen pages are among "
                f"them{_TWICE}; choose pages of a crawl that is not imported, or name another --language"
            )
        if work.kind == "packets" and (shared := _shared(connection, other.id, work.packets)):
            raise UsageError(
                f"{counted(shared, 'page')} of the chosen ones are leased in packets already ({other.name}){_TWICE}; "
                'choose others: --pages-where "(...) AND NOT (...)" with that work\'s expression'
            )


def check_import(connection: sa.Connection, crawl: str) -> None:
    """Raise SourceError if pages of the crawl are leased in packets, which a list of its files would repeat."""
    found = sa.select(crawls.c.name).where(
        crawls.c.crawl == crawl, crawls.c.kind == "packets", _language.in_([ENGLISH])
    )
    if (name := connection.execute(found.limit(1)).scalar()) is not None:
        raise SourceError(f"{crawl}: pages of it are leased in packets already ({name}){_TWICE}{_ALONE}")


_TWICE = ", so the same pages would be paid twice"
_ALONE = '; lease its other pages in packets too: finest tasks add CRAWL --pages-where "NOT (...)"'


def _shared(connection: sa.Connection, work_id: int, made: Iterable[Packet]) -> int:
    """Count the pages that these packets have in common with those of a work."""
    new = {(file.path, offset) for packet in made for file in packet.files for offset, _ in file.pages}
    rows = sa.select(packets.c.packet).join(warcs, warcs.c.id == packets.c.warc_id).where(warcs.c.crawl_id == work_id)
    count = 0
    for data in connection.execute(rows).scalars():
        for file in json.loads(zlib.decompress(data))["files"]:
            count += sum((file["path"], offset) in new for offset, _ in file["pages"])
    return count
