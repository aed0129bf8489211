"""The devnet's Common Crawl: a few small WARCs under Common Crawl's own paths, made from the sample's pages.

    crawl-data/CC-MAIN-2025-26/segments/1749709481111.44/warc/CC-MAIN-20250612112840-20250612142840-00000.warc.gz  ...
    crawl-data/CC-MAIN-2025-26/warc.paths.gz    the list of the WARCs, one path per line
    collinfo.json                               the list of crawls, as on index.commoncrawl.org

Every build produces identical bytes, so a dataset's root is the same on every devnet.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from finest.sample.build import responses
from finest.sample.warc_writer import page_members, warcinfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.sample.warc_writer import Response

CRAWL = "CC-MAIN-2025-26"
SEGMENT = "1749709481111.44"
SPAN = "20250612112840-20250612142840"
"""The time span in the file names. It has the format of a real one; the segment and the span are invented."""

WARCS = 4
"""Number of WARCs: enough tasks for two miners and two validators to interact."""

_NUMBERS_OF_A_WARC = 100_000
"""Size of each WARC's own range of page numbers. Record ids are derived from the page number and must be unique in a
crawl."""


def warc_key(number: int) -> str:
    """Return the path of WARC `number` of the crawl."""
    return f"crawl-data/{CRAWL}/segments/{SEGMENT}/warc/CC-MAIN-{SPAN}-{number:05d}.warc.gz"


def sample_crawl(warcs: int = WARCS) -> dict[str, bytes]:
    """Return every object of the bucket, by key."""
    pages = responses()
    objects = {warc_key(number): _warc(number, _share(pages, number, warcs)) for number in range(warcs)}
    paths = "".join(f"{key}\n" for key in objects)
    objects[f"crawl-data/{CRAWL}/warc.paths.gz"] = gzip.compress(paths.encode(), mtime=0)
    objects["collinfo.json"] = json.dumps(_collections(), indent=2).encode()
    return objects


def _share(pages: Sequence[Response], number: int, warcs: int) -> list[Response]:
    """Return half of the pages, starting at a different page in each WARC.

    Neighbouring WARCs overlap, so MinHash finds duplicates across files.
    """
    start, count = number * len(pages) // warcs, max(1, len(pages) // 2)
    return [*pages, *pages][start : start + count]


def _warc(number: int, pages: Sequence[Response]) -> bytes:
    first = number * _NUMBERS_OF_A_WARC
    members = [member for i, page in enumerate(pages) for member in page_members(first + i, page)]
    return b"".join([warcinfo(warc_key(number).rpartition("/")[2]), *members])


def _collections() -> list[dict[str, str]]:
    index = f"https://index.commoncrawl.org/{CRAWL}"
    return [
        {
            "id": CRAWL,
            "name": "June 2025 Index",
            "timegate": f"{index}/",
            "cdx-api": f"{index}-index",
            "from": "2025-06-12T11:28:40",
            "to": "2025-06-12T14:28:40",
        }
    ]
