"""A packet: pages of a crawl that its index chose, as a unit of work whose root commits to every one of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from finest.dataset.chosen import root_of
from finest.dataset.page_choice import PageChoice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKET_PAGES, MAX_PACKET_PAGES = 5_000, 20_000
"""Pages of a packet by default, and at the most. 5,000 pages take 150 MB of WARCs, and their list at most 1 MB where
each lies in a file of its own; over HTTPS, two requests each and one a second, they then take 2.8 hours, within a lease
of six."""
MAX_PAGE_BYTES = 16 << 20
"""The longest record of a packet, in compressed bytes. Common Crawl cuts a page at 1 MiB, since March 2025 at 5 MiB."""
NAMED = "s3://commoncrawl/"
"""Prefix that rows put before a path of Common Crawl (finest.warc.source.name_sources)."""

_PATH = r"^crawl-data/CC-(?:MAIN-[A-Za-z0-9-]+|NEWS)(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+\.warc\.gz$"
Place = tuple[Annotated[int, Field(ge=0, lt=2**48)], Annotated[int, Field(ge=1, le=MAX_PAGE_BYTES)]]


class FilePages(BaseModel):
    """The chosen pages of one WARC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, StringConstraints(pattern=_PATH, max_length=512)]
    """Path under data.commoncrawl.org."""
    pages: tuple[Place, ...] = Field(min_length=1)
    """Offset and length of each record in compressed bytes, in the order of the file."""

    @model_validator(mode="after")
    def _check_order(self) -> FilePages:
        end = 0
        for offset, length in self.pages:
            if offset < end:
                raise ValueError(f"the page at offset {offset} of {self.path} begins before the one before it ends")
            end = offset + length
        return self


class Packet(BaseModel):
    """The pages of a packet, which have its root: a list with any other page, or one less, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crawl: str = Field(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    choice: PageChoice
    files: tuple[FilePages, ...] = Field(min_length=1, max_length=MAX_PACKET_PAGES)

    @model_validator(mode="after")
    def _check_root(self) -> Packet:
        paths = [file.path for file in self.files]
        if len(set(paths)) < len(paths):
            raise ValueError("a file is listed twice")
        pages = sum(len(file.pages) for file in self.files)
        if pages > MAX_PACKET_PAGES:
            raise ValueError(f"a packet has at most {MAX_PACKET_PAGES:,} pages, not {pages:,}")
        if (pages, root_of(self.places())) != (self.choice.pages, self.choice.root):
            raise ValueError(f"its pages are not those of the packet {self.choice.root}")
        return self

    def places(self) -> Iterator[tuple[str, int, int]]:
        """Yield the name in the rows, offset and length of each page, in the order of the root."""
        for file in self.files:
            for offset, length in file.pages:
                yield NAMED + file.path, offset, length

    @property
    def item(self) -> str:
        """The packet's name in the list of its work."""
        return item_of(self.crawl, self.choice.root)


def item_of(crawl: str, root: str) -> str:
    """Return the name that a packet has in the list of its work."""
    return f"packets/{crawl}/{root}"


def cut(crawl: str, where: str, pages: Sequence[tuple[str, int, int]], size: int = PACKET_PAGES) -> list[Packet]:
    """Cut chosen pages (path, offset, length), in their order, into packets of at most `size` pages.

    The packets are of one size, but for one page: of 5,001 pages one has 2,501 and the other 2,500. Raises ValueError
    for pages that no packet may hold.
    """
    count = -(-len(pages) // size)
    bounds = [len(pages) * number // count for number in range(count + 1)]
    return [_packet(crawl, where, pages[low:high]) for low, high in pairwise(bounds)]


def _packet(crawl: str, where: str, pages: Sequence[tuple[str, int, int]]) -> Packet:
    by_file: dict[str, list[tuple[int, int]]] = {}
    for path, offset, length in pages:
        by_file.setdefault(path, []).append((offset, length))
    root = root_of((NAMED + path, offset, length) for path, offset, length in pages)
    files = tuple(FilePages(path=path, pages=tuple(places)) for path, places in by_file.items())
    return Packet(crawl=crawl, choice=PageChoice(where=where, root=root, pages=len(pages)), files=files)
