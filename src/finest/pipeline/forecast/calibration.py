"""Measure how fast this machine judges, and what the sources hold: the first pages of some of them, for some seconds.

A sample of fixed pages would not do: repeated, they stay in the processor's caches, and took between a quarter and a
sixth of the time of a page of a crawl.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from finest.recipe.judge import judge, toolbox
from finest.warc.slices import Slice, SliceReader, read_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from finest.recipe.recipe import Recipe
    from finest.warc.source import Source

T = TypeVar("T")

PAGES = 960
"""Pages of a calibration. The standard error of their CPU time per byte is 3 to 4.5 % (1,136 and 1,436 real pages of
many sites), and 1.4 times that with half as many."""
WARM_PAGES = 64
"""Pages that are judged before, since what stages load at the first one took 0.3 s, a twelfth of 960 pages."""
SOURCES = 16
"""Sources whose first pages are judged, evenly spread over the run."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The cost and the yield of some pages, measured on this machine."""

    page_cpu_s: float
    """CPU seconds to read and judge a page, by one process."""
    page_bytes: float
    """Compressed bytes of a source per page, with the records between the pages."""
    kept_share: float
    """Share of the pages that the recipe keeps."""
    start_cpu_s: float
    """CPU seconds that a process takes more for its first pages, at which stages load what they need."""

    @staticmethod
    def make(
        sources: Sequence[Source], recipe: Recipe, cache: Path, report: Callable[[int], None] = lambda _: None
    ) -> Calibration:
        """Judge the first pages of at most SOURCES sources; the recipe's models must be in the cache.

        `report` is called with the number of pages judged so far, after each source. Raises SourceError.
        """
        toolbox(recipe, cache).load()
        chosen = evenly(sources, SOURCES)
        warm, began = 0, time.process_time()
        for record in _first_pages(chosen[0], WARM_PAGES, recipe):
            judge(record.page(), recipe, cache)
            warm += 1
        warm_s = time.process_time() - began
        pages, kept, read_bytes, cpu_s = 0, 0, 0, 0.0
        for number, source in enumerate(chosen):
            limit = (PAGES - pages) // (len(chosen) - number)
            began, end = time.process_time(), 0
            for record in _first_pages(source, limit, recipe):
                kept += judge(record.page(), recipe, cache).kept
                pages, end = pages + 1, record.offset + record.length
            cpu_s += time.process_time() - began
            read_bytes += end
            report(pages)
        pages = max(pages, 1)
        start_s = max(0.0, warm_s - warm * cpu_s / pages)
        return Calibration(cpu_s / pages, max(read_bytes, 1) / pages, kept / pages, start_s)


def _first_pages(source: Source, limit: int, recipe: Recipe) -> SliceReader:
    slice_ = Slice(0, 0, 0, source.size_bytes)
    return read_slice(source, slice_, limit=limit, max_record_bytes=recipe.payload.max_bytes * 2)


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` items, evenly spread."""
    taken = min(len(items), count)
    return [items[number * len(items) // taken] for number in range(taken)]
