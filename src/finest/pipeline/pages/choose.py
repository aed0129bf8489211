"""Choose the pages of a run by the index of its crawl, and say what reading only them saves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from finest.errors import SourceError, UsageError
from finest.formatting import byte_size, counted, duration, share
from finest.pipeline.ledger import Ledger
from finest.pipeline.pages.index import choose
from finest.pipeline.pages.table import ChosenPages, PageTable
from finest.pipeline.source_table import Sources
from finest.pipeline.steps import PAGE_MORE_BYTES
from finest.warc.common_crawl import is_like_a_crawl
from finest.warc.layout import Layout
from finest.warc.source import inspect, name_sources
from finest.where import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.warc.source import Source

WRONG_WAY_SHARE = 0.02
"""Share of a crawl's pages above which, over HTTPS, whole files are the better way: from about one page in fifty on,
nearly every stretch of a file as long as a request is worth holds one."""
FILE_BYTES = 1_000_000_000
"""About the size of a WARC of Common Crawl, for the comparison with whole files."""
HEAD_BYTES = 20 << 10
"""Bytes of a WARC's head that are read to see how it is cut: its first two records take about 2 kB, and gzip members
are read in blocks of 16 KiB."""
SAID_EVERY_S = 5.0


def choose_pages(options: RunOptions, progress: Progress) -> tuple[Sources, ChosenPages]:
    """Return the WARCs that hold a chosen page, and the pages.

    Raises UsageError unless the sources are one crawl of Common Crawl, WhereError for an expression that the index's
    columns do not fit, and SourceError if no page is chosen.
    """
    assert options.pages_where is not None
    if len(options.specs) != 1 or not is_like_a_crawl(options.specs[0]):
        raise UsageError("--pages-where reads the index of a crawl: name one crawl alone, such as CC-MAIN-2026-30")
    if options.limit is not None:
        raise UsageError("--limit takes the first pages of each file, and --pages-where others; use one of them")
    parse(options.pages_where)
    crawl, place = options.specs[0], options.common_crawl
    part = f"{crawl} {options.shard}" if options.shard else crawl
    if (kept := _kept(options, part)) is not None:
        return kept
    files = place.files_of(crawl)
    files = files if options.shard is None else options.shard.of(files)
    progress.say(f"Reading the index of {crawl}")
    index = [f"{place.base}/{path}" for path in place.index_of(crawl)]
    read = choose(index, options.pages_where, progress.say)
    numbers = {path: number for number, path in enumerate(files)}
    found = sorted({(numbers[path], offset, length) for path, offset, length in read.found if path in numbers})
    if not found:
        raise SourceError(f"{crawl}: no page of its index has {options.pages_where}")
    used = sorted({file for file, _, _ in found})
    places = {file: number for number, file in enumerate(used)}
    table = PageTable.of((places[file], offset, length) for file, offset, length in found)
    progress.say(_saving(table, len(used), len(files), read.rows, options))
    if place.base.startswith(("http://", "https://")) and len(table) > WRONG_WAY_SHARE * read.rows:
        progress.say(
            f"Warning: this is {share(len(table), read.rows)} of the pages; above {WRONG_WAY_SHARE:.0%}, reading whole "
            "files is the better way over HTTPS: leave --pages-where out and use --where, or read from S3"
        )
    locations = [f"{place.base}/{files[file]}" for file in used]
    names = name_sources(locations)
    sources = Sources.of(_inspected(locations, names, options, progress))
    return sources, ChosenPages(part, options.pages_where, table.root(names), table)


def _kept(options: RunOptions, part: str) -> tuple[Sources, ChosenPages] | None:
    """Return what an earlier start of the same run chose, so that nothing is asked again; None if there is none."""
    if options.restart or not (options.out / "ledger" / "run.json").exists():
        return None
    plan = Ledger.read(options.out).plan
    if plan.chosen is None or (plan.chosen.crawl, plan.chosen.where) != (part, options.pages_where):
        return None
    return plan.sources, plan.chosen


def _saving(table: PageTable, used: int, files: int, rows: int, options: RunOptions) -> str:
    """Say what reading only these pages takes, against reading whole files."""
    groups = table.groups()
    size = int((groups[:, 2] - groups[:, 1]).sum()) + len(groups) * PAGE_MORE_BYTES + used * HEAD_BYTES
    requests = len(groups) + used
    wait = ""
    if options.common_crawl.base.startswith(("http://", "https://")):
        wait = f" ({duration(requests / options.requests_per_s)} at {options.requests_per_s:g} a second)"
    return (
        f"Chosen: {counted(len(table), 'page')} ({share(len(table), rows)} of {rows:,}) in {used:,} of "
        f"{counted(files, 'file')}: {byte_size(size)} in {counted(requests, 'request')}{wait}, instead of about "
        f"{byte_size(files * FILE_BYTES)} in {counted(files, 'request')}"
    )


def _inspected(
    locations: Sequence[str], names: Sequence[str], options: RunOptions, progress: Progress
) -> Iterator[Source]:
    """Look at each WARC, at most `requests_per_s` a second over HTTPS."""
    gap_s = 1 / options.requests_per_s if locations[0].startswith(("http://", "https://")) else 0.0
    said = time.monotonic()
    for number, (location, name) in enumerate(zip(locations, names, strict=True), 1):
        began = time.monotonic()
        source = inspect(location, name, head_bytes=HEAD_BYTES)
        if source.layout is not Layout.MEMBERS:
            raise SourceError(f"{source.address}: its records are not compressed one by one, so none can be read alone")
        yield source
        if time.monotonic() - said > SAID_EVERY_S:
            said = time.monotonic()
            progress.say(f"{number:,} of {len(locations):,} files looked at")
        time.sleep(max(0.0, began + gap_s - time.monotonic()))
