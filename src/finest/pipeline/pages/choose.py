"""Choose the pages of a run by the index of its crawl, and say what reading only them saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finest.errors import SourceError, UsageError
from finest.formatting import byte_size, counted, duration, share
from finest.pipeline.heads import sources_at
from finest.pipeline.ledger import Ledger
from finest.pipeline.pages.index import choose
from finest.pipeline.pages.table import ChosenPages, PageTable
from finest.pipeline.steps import PAGE_MORE_BYTES
from finest.warc.common_crawl import is_like_a_crawl
from finest.warc.pauses import Pauses
from finest.warc.source import LOOK_BYTES, name_sources
from finest.where import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finest.dataset.packet import Packet
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.pipeline.source_table import Sources
    from finest.warc.source import CommonCrawl, Shard

WRONG_WAY_SHARE = 0.02
"""Share of a crawl's pages above which, over HTTPS, whole files are the better way: from about one page in fifty on,
nearly every stretch of a file as long as a request is worth holds one."""
FILE_BYTES = 1_000_000_000
"""About the size of a WARC of Common Crawl, for the comparison with whole files."""


@dataclass(frozen=True, slots=True)
class Pick:
    """The pages that an index chose, before any WARC is looked at."""

    files: list[str]
    """The paths at Common Crawl of the WARCs that hold a chosen page."""
    table: PageTable
    """The pages; sources are numbered as in `files`."""
    crawl_files: int
    """WARCs of the crawl, or of the part of it that was asked for."""
    crawl_pages: int
    """Pages of the crawl."""
    is_limited: bool
    """Whether the files are read over HTTPS, where requests are limited."""

    @property
    def ranges(self) -> int:
        return len(self.table.groups())

    @property
    def read_bytes(self) -> int:
        """Bytes that reading them takes."""
        groups = self.table.groups()
        size = int((groups[:, 2] - groups[:, 1]).sum())
        return size + len(groups) * PAGE_MORE_BYTES + len(self.files) * LOOK_BYTES

    def to_dict(self) -> dict[str, int | str | None]:
        """Return a dictionary for JSON; the bytes of whole files are an estimate."""
        return {
            "pages": len(self.table), "crawl_pages": self.crawl_pages, "files": len(self.files),
            "crawl_files": self.crawl_files, "bytes": self.read_bytes, "requests": self.ranges + len(self.files),
            "whole_bytes": self.crawl_files * FILE_BYTES, "whole_requests": self.crawl_files,
            "warning": self.warning(),
        }  # fmt: skip

    def saving(self, requests_per_s: float) -> str:
        """Say what reading only these pages takes, against reading whole files."""
        requests = self.ranges + len(self.files)
        wait = f" ({duration(requests / requests_per_s)} at {requests_per_s:g} a second)" if self.is_limited else ""
        chosen = (
            f"{counted(len(self.table), 'page')} ({share(len(self.table), self.crawl_pages)} of {self.crawl_pages:,})"
        )
        whole = f"{byte_size(self.crawl_files * FILE_BYTES)} in {counted(self.crawl_files, 'request')}"
        return (
            f"Chosen: {chosen} in {len(self.files):,} of {counted(self.crawl_files, 'file')}: "
            f"{byte_size(self.read_bytes)} in {counted(requests, 'request')}{wait}, instead of about {whole}"
        )

    def warning(self) -> str | None:
        """Say that whole files are the better way; None if they are not."""
        if not self.is_limited or len(self.table) <= WRONG_WAY_SHARE * self.crawl_pages:
            return None
        return (
            f"this is {share(len(self.table), self.crawl_pages)} of the pages; above {WRONG_WAY_SHARE:.0%}, reading "
            "whole files is the better way over HTTPS: leave --pages-where out and use --where, or read from S3"
        )


def pick(specs: Sequence[str], where: str, place: CommonCrawl, shard: Shard | None, say: Callable[[str], None]) -> Pick:
    """Return the pages that the index of a crawl chooses.

    Raises UsageError unless the sources are one crawl of Common Crawl, WhereError for an expression that the index's
    columns do not fit, and SourceError if no page is chosen.
    """
    if len(specs) != 1 or not is_like_a_crawl(specs[0]):
        raise UsageError("--pages-where reads the index of a crawl: name one crawl alone, such as CC-MAIN-2026-30")
    parse(where)
    files = place.files_of(specs[0])
    files = files if shard is None else shard.of(files)
    say(f"Reading the index of {specs[0]}")
    read = choose([f"{place.base}/{path}" for path in place.index_of(specs[0])], where, say)
    numbers = {path: number for number, path in enumerate(files)}
    found = sorted({(numbers[path], offset, length) for path, offset, length in read.found if path in numbers})
    if not found:
        raise SourceError(f"{specs[0]}: no page of its index has {where}")
    used = sorted({file for file, _, _ in found})
    places = {file: number for number, file in enumerate(used)}
    table = PageTable.of((places[file], offset, length) for file, offset, length in found)
    is_limited = place.base.startswith(("http://", "https://"))
    return Pick([files[file] for file in used], table, len(files), read.rows, is_limited)


def choose_pages(options: RunOptions, progress: Progress) -> tuple[Sources, ChosenPages]:
    """Return the WARCs that hold a chosen page, and the pages; raises as `pick`, and UsageError with a limit."""
    where = options.pages_where
    assert where is not None
    _check_no_limit(options)
    part = " ".join([*options.specs, *([str(options.shard)] if options.shard else [])])
    if (kept := _kept(options, part, where)) is not None:
        return kept
    picked = pick(options.specs, where, options.common_crawl, options.shard, progress.say)
    progress.say(picked.saving(options.requests_per_s))
    if warning := picked.warning():
        progress.say(f"Warning: {warning}")
    return _placed(part, where, picked.files, picked.table, options, progress)


def packet_pages(options: RunOptions, packet: Packet, progress: Progress) -> tuple[Sources, ChosenPages]:
    """Return the WARCs that hold the pages of a leased packet, and the pages.

    Raises SourceError if a page lies beyond the end of its file, and UsageError with a limit.
    """
    _check_no_limit(options)
    choice = packet.choice
    kept = _kept(options, packet.crawl, choice.where)
    if kept is not None and kept[1].root == choice.root:
        return kept
    table = PageTable.of((number, *place) for number, file in enumerate(packet.files) for place in file.pages)
    paths = [file.path for file in packet.files]
    sources, chosen = _placed(packet.crawl, choice.where, paths, table, options, progress)
    if chosen.root != choice.root:
        raise UsageError(
            f"the files of {packet.crawl} have other names in {options.common_crawl.base} than at Common Crawl; "
            "packets are read from Common Crawl or a mirror with its paths"
        )
    return sources, chosen


def _check_no_limit(options: RunOptions) -> None:
    if options.limit is not None:
        raise UsageError("--limit takes the first pages of each file, and an index chose others; use one of them")


def _placed(
    part: str, where: str, paths: Sequence[str], table: PageTable, options: RunOptions, progress: Progress
) -> tuple[Sources, ChosenPages]:  # fmt: skip
    """Look at the WARCs of chosen pages, at most `requests_per_s` a second over HTTPS; raises as `sources_at`.

    Raises SourceError if a page lies beyond the end of its file, or a file is not compressed record by record.
    """
    locations = [f"{options.common_crawl.base}/{path}" for path in paths]
    names = name_sources(locations)
    pauses = Pauses(options.out / "ledger" / "pauses", options.max_pause_s, 1 / options.requests_per_s)
    sources = sources_at(locations, names, None, pauses, progress, options.allow_missing)
    if len(whole := np.flatnonzero(~sources.is_cut & (sources.sizes > 0))):
        address = sources[int(whole[0])].address
        raise SourceError(f"{address}: its records are not compressed one by one, so none can be read alone")
    ends, sizes = table.lines["offset"].astype(np.int64) + table.lines["length"], sources.sizes[table.lines["source"]]
    beyond = np.flatnonzero((ends > sizes) & (sizes > 0))
    if len(beyond):
        line = table.lines[beyond[0]]
        raise SourceError(
            f"{names[line['source']]}: the list of chosen pages has one at offset {line['offset']} of {line['length']} "
            f"bytes, and the file ends at {sources.sizes[line['source']]}"
        )
    return sources, ChosenPages(part, where, table.root(names), table)


def _kept(options: RunOptions, part: str, where: str) -> tuple[Sources, ChosenPages] | None:
    """Return what an earlier start of the same run chose, so that nothing is asked again; None if there is none."""
    if options.restart or not (options.out / "ledger" / "run.json").exists():
        return None
    plan = Ledger.read(options.out).plan
    if plan.chosen is None or (plan.chosen.crawl, plan.chosen.where) != (part, where):
        return None
    return plan.sources, plan.chosen
