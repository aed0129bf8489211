"""Draw the pages to label from datasets, files and refined WARCs.

The pages with the smallest sha256 of their text are drawn. So the draw does not depend on the order of the sources,
equal texts are drawn once, and a larger draw holds all pages of a smaller one.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from finest.dataset.open import open_dataset
from finest.errors import SourceError, UsageError
from finest.models.documents import DatasetSource, FileSource, Source, host_of_url
from finest.models.tables import read_rows

Progress = Callable[[str, float, str], None]
"""Receives the step, the share of it that is done, and what has been done in words."""

MAX_HELD_CHARS = 1_000_000_000
"""Maximum characters of the drawn texts, which are held in memory: 200,000 pages of a crawl have about as many."""
MAX_TEXT_BYTES = 2 << 20
"""Texts above it are not drawn; nobody labels a page of 2 MB."""
_BATCH_ROWS = 256
_WANTED = ("url", "id", "host", "group")


@dataclass(frozen=True, slots=True)
class Page:
    """A page to label."""

    sha256: str
    """Of the text as UTF-8; identifies the page."""
    text: str = field(repr=False)
    source: str
    """The source as the user named it."""
    row: int
    """Number of the row in its source, from 0."""
    url: str
    id: str
    """The WARC-Record-ID; "" if the source names none."""
    group: str
    """The group that no training fold divides: the column `group`, or else the host."""


def identities(sources: Sequence[Source], progress: Progress) -> list[dict[str, Any]]:
    """Return what identifies the content of each source, for the provenance of its labels."""
    found = []
    for number, source in enumerate(sources):

        def shown(share: float, number: int = number, name: str = source.name) -> None:
            progress("Hashing", (number + share) / len(sources), name)

        found.append({"name": source.name, **asdict(source.identify(shown))})
    return found


def draw(sources: Sequence[Source], pages: int, progress: Progress) -> list[Page]:
    """Draw that many pages (all if there are fewer) in the order of their sha256.

    Raises SourceError if a source cannot be read or none has text, UsageError if the texts take too much memory.
    """
    drawn = _Draw(pages)
    for number, source in enumerate(sources):

        def shown(share: float, number: int = number, name: str = source.name) -> None:
            progress("Reading", (number + share) / len(sources), f"{drawn.seen:,} pages, in {name}")

        with closing(_rows(source, shown)) as rows:  # type: ignore[type-var]
            for at, row in enumerate(rows):
                drawn.add(_page(row, source.name, at))
    found = drawn.sorted()
    if not found:
        raise SourceError(f"{sources[0].name}: no page with text")
    progress("Reading", 1.0, f"{len(found):,} of {drawn.seen:,} pages drawn")
    return found


class _Draw:
    """Holds the pages with the smallest hashes."""

    def __init__(self, pages: int) -> None:
        self._most = pages
        self._heap: list[tuple[int, Page]] = []
        self._ranks: set[int] = set()
        self._held = 0
        self.seen = 0

    def add(self, page: Page | None) -> None:
        self.seen += 1
        rank = int(page.sha256[:16], 16) if page else 0
        if page is None or rank in self._ranks or (len(self._heap) >= self._most and rank > -self._heap[0][0]):
            return
        heapq.heappush(self._heap, (-rank, page))
        self._ranks.add(rank)
        self._held += len(page.text)
        if len(self._heap) > self._most:
            last, left_out = heapq.heappop(self._heap)
            self._ranks.discard(-last)
            self._held -= len(left_out.text)
        if self._held > MAX_HELD_CHARS:
            raise UsageError(
                f"{len(self._heap):,} pages have over {MAX_HELD_CHARS:,} characters; draw fewer with --pages"
            )

    def sorted(self) -> list[Page]:
        return [page for _, page in sorted(self._heap, key=lambda pair: -pair[0])]


def _rows(source: Source, progress: Callable[[float], None]) -> Iterator[Mapping[str, Any]]:
    if isinstance(source, FileSource):
        total = max(source.path.stat().st_size, 1)
        yield from read_rows(source.path, ("text",), _WANTED, lambda read: progress(read / total))
    elif isinstance(source, DatasetSource):
        with open_dataset(source.where) as dataset:
            for group in dataset.row_groups():
                table = dataset.read_rows(range(group.first_row, group.first_row + group.rows))
                for batch in table.select(["text", "url", "id"]).to_batches(_BATCH_ROWS):
                    yield from batch.to_pylist()
                progress((group.first_row + group.rows) / dataset.manifest.rows)


def _page(row: Mapping[str, Any], source: str, number: int) -> Page | None:
    """Return the page of a row; None for one without text, or with one that is too long."""
    text = row["text"]
    if text is not None and not isinstance(text, str):
        raise SourceError(f"{source}: row {number + 1}: text is a {type(text).__name__}, not a string")
    data = (text or "").encode("utf-8", "replace")
    if not data.strip() or len(data) > MAX_TEXT_BYTES:
        return None
    url = str(row.get("url") or "")
    group = row.get("group") or row.get("host") or host_of_url(url)
    return Page(
        hashlib.sha256(data).hexdigest(), data.decode(), source, number, url, str(row.get("id") or ""),
        str(group).lower().removeprefix("www."),
    )  # fmt: skip
