"""A reader of WARC files that continues after damage."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from finest.settings import load_settings
from finest.warc.slices import Slice, read_slice
from finest.warc.source import CommonCrawl, inspect, name_sources, resolve

PAGE = "page"
"""Metadata key under which a document carries its page to the next step."""
MAX_RECORD_BYTES = 64 << 20
"""Read limit per record: twice the largest payload of the shipped recipes, as in `finest refine`."""


class WarcPages(PipelineStep):
    """Reads the pages of WARC files, each as a document without text.

    `RecipeFilter` or `PayloadFilter` must come next: it reads the page, which the metadata holds until then. The
    metadata also has `url`, `date`, `file_path` (the name of the WARC) and `offset`.

    It reads records of any layout, and damage costs only the damaged records, where DataTrove's reader stops. The files
    are divided among the tasks. `sources` are the same as for `finest refine`: files, folders, globs, `s3://` and
    `https://` addresses, Common Crawl paths, `@list.txt`. `limit` reads only the first pages of each file.
    """

    type, name = "📖 - READER", "Finest WARC pages"

    def __init__(
        self, sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, limit: int | None = None
    ) -> None:
        super().__init__()
        several = [sources] if isinstance(sources, str | os.PathLike) else sources
        self.sources, self.limit = tuple(os.fspath(one) for one in several), limit

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents of the previous steps, then those of this task."""
        yield from data or ()
        settings = load_settings()
        locations = resolve(self.sources, CommonCrawl.of(settings))
        for location, name in list(zip(locations, name_sources(locations), strict=True))[rank::world_size]:
            yield from self._pages(location, name)

    def _pages(self, location: str, name: str) -> Iterator[Document]:
        source = inspect(location, name)
        whole = Slice(0, 0, 0, source.size_bytes)
        reader = read_slice(source, whole, limit=self.limit, max_record_bytes=MAX_RECORD_BYTES)
        for record in reader:
            metadata = {"url": record.url, "date": record.date, "file_path": name, "offset": record.offset}
            document = Document(text="", id=record.id, metadata={**metadata, PAGE: record.page()})
            self.stat_update("documents")
            yield document
        for loss in reader.losses:
            self.stat_update(f"lost_{loss.reason}")
