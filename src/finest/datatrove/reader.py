"""A reader of WARC files that damage does not stop."""

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
"""Key of the metadata under which a document carries its page to the step that reads it."""
MAX_RECORD_BYTES = 64 << 20
"""Twice the largest payload of the shipped recipes, as `finest refine` reads."""


class WarcPages(PipelineStep):
    """Reads the pages of WARC files, each as a document without text.

    `RecipeFilter` or `PayloadFilter` must come next: it reads the page, which lies in the metadata until then. Each
    document has `url`, `date`, `file_path` (the name of its WARC) and `offset` there too.

    Records of any layout are read, and damage costs the records that it is in; DataTrove's reader stops there. Files
    are divided among the tasks. `sources` are what `finest refine` takes: files, folders, globs, `s3://` and
    `https://` addresses, Common Crawl paths, `@list.txt`. `limit` reads the first pages of each file alone.
    """

    type, name = "📖 - READER", "Finest WARC pages"

    def __init__(
        self, sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, limit: int | None = None
    ) -> None:
        super().__init__()
        several = [sources] if isinstance(sources, str | os.PathLike) else sources
        self.sources, self.limit = tuple(os.fspath(one) for one in several), limit

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents of this task, after those of the steps before it."""
        yield from data or ()
        settings = load_settings()
        locations = resolve(self.sources, CommonCrawl(https_base=settings.cc_https, bucket=settings.cc_bucket))
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
