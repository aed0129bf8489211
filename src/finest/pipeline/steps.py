"""The refinery as DataTrove pipeline steps: read a slice, judge its pages, write the outcomes.

A rank is a slice of the run's plan. `ReadSlice` yields one DataTrove Document per page, `JudgePages` adds a Verdict
to its metadata, and `WriteSlice` writes rows, verdicts, signatures and the summary and commits the slice to the ledger.
The steps between reader and writer are replaceable: `finest.pipeline.datatrove_engine` uses DataTrove's own.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import time
from typing import TYPE_CHECKING, Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from finest.dataset.rows import schema_with
from finest.errors import SourceError
from finest.pipeline.guard import PageGuard
from finest.pipeline.guarded import CRASHED, LIMITED, PAGE_CPU_FACTOR
from finest.pipeline.outcome import Outcome, SliceOutput
from finest.recipe.extract.page import FALLBACKS
from finest.recipe.judge import Clock, judge
from finest.recipe.stages import ORDERS
from finest.warc.slices import read_slice
from finest.warc.stream import MORE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from finest.pipeline.ledger import Ledger
    from finest.recipe.recipe import Recipe
    from finest.warc.pauses import Pauses
    from finest.warc.slices import Record, Slice, SliceReader
    from finest.warc.source import Source

NO_PAGE = -1
"""Stands for an offset while the worker has no page."""
PAGE_MORE_BYTES = 20 << 10
"""Bytes read after the last page of a range that an index chose, so that one request is enough: Common Crawl's record
about a page, which follows it, takes less than 1 kB, and gzip members are read in blocks of 16 KiB."""


class Session:
    """State shared by the steps of one rank: the slice, its reader, the CPU clock."""

    def __init__(
        self, ledger: Ledger, exact_starts: dict[int, int], pauses: Pauses, last: Callable[[int], int]
    ) -> None:
        """`last` returns the last rank that the worker of a rank reads after it, in the same source."""
        self.ledger = ledger
        self.pauses = pauses
        self._last = last
        self.exact_starts = exact_starts
        """Known offset of the first record, by rank: where the previous slice ended."""
        self.clock: Clock = {}
        self.slice: Slice
        self.source: Source
        self.read: SliceReader
        self._before: SliceReader | None = None
        self.lengths: dict[int, int] | None
        """Length of each page of the slice that an index chose, by its offset; None for all its pages."""

    def begin(self, rank: int, max_record_bytes: int, page_types: Collection[str]) -> None:
        """Open the rank's slice; its pages are the records whose WARC-Type is in `page_types`.

        A slice that follows the one read before goes on in its stream, which is opened for the whole block.
        """
        self.slice = self.ledger.plan.slices[rank]
        self.source = self.ledger.plan.sources[self.slice.source_index]
        self.clock.clear()
        FALLBACKS.clear()
        self.cpu_start, self.wall_start = cpu_seconds(), time.monotonic()
        chosen = self.ledger.plan.chosen
        self.read = self._before = read_slice(
            self.source,
            self.slice,
            exact_start=self.slice.start if chosen is not None else self.exact_starts.get(rank),
            limit=self.ledger.plan.limit,
            max_record_bytes=max_record_bytes,
            page_types=page_types,
            until=self.ledger.plan.slices[self._last(rank)].end if chosen is None else None,
            before=self._before,
            pauses=self.pauses,
            more_bytes=MORE_BYTES if chosen is None else PAGE_MORE_BYTES,
        )
        self.lengths = None if chosen is None else chosen.table.lengths_of(self.slice)

    def pages(self) -> Iterator[Record]:
        """Yield the slice's pages, of chosen ones no others; raises SourceError if a chosen one is not there."""
        if self.lengths is None:
            yield from self.read
            return
        missing = set(self.lengths)
        for record in self.read:
            if (length := self.lengths.get(record.offset)) is None:
                continue
            if record.length != length:
                raise SourceError(
                    f"{self.source.name}: the record at offset {record.offset} has {record.length} bytes, and the list "
                    f"of chosen pages states {length}: it is of another file"
                )
            missing.discard(record.offset)
            yield record
        if missing:
            lost = next((loss for loss in self.read.losses if loss.offset in missing), None)
            raise SourceError(
                f"{self.source.name}: the index has a page at offset {min(missing)}, and it cannot be read there"
                f'{f" ({lost.reason})" if lost else ""}; leave it out with --pages-where "... AND NOT '
                f'(warc_record_offset = {min(missing)} AND warc_filename LIKE ...)"'
            )


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and its finished children (DataTrove extracts in a child)."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class ReadSlice(PipelineStep):
    """Yields the pages of the rank's slice as Documents with empty text; `metadata["record"]` is the WARC record."""

    type, name = "READER", "WARC slice"

    def __init__(self, session: Session, recipe: Recipe) -> None:
        super().__init__()
        self.session, self.recipe = session, recipe

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        self.session.begin(rank, self.recipe.payload.max_bytes * 2, self.recipe.payload.records)
        return self._documents()

    def _documents(self) -> Iterator[Document]:
        session = self.session
        deaths = session.ledger.deaths
        crashed, limited = deaths.crashed(session.slice), deaths.limited(session.slice)
        with InFlight(deaths.inflight_path(session.slice)) as inflight:
            for record in timed(session.pages(), session.clock):
                inflight.set(record.offset)
                metadata: dict[str, Any] = {"record": record, "url": record.url}
                if record.offset in crashed:
                    metadata["verdict"] = CRASHED
                elif record.offset in limited:
                    metadata["verdict"] = LIMITED
                yield Document(text="", id=record.id, metadata=metadata)
                inflight.set(NO_PAGE)


def timed(records: Iterator[Record], clock: Clock) -> Iterator[Any]:
    """Yield the records, and add the CPU seconds of reading them to the clock."""
    while True:
        before = time.thread_time()
        record = next(records, None)
        clock["read"] = clock.get("read", 0.0) + time.thread_time() - before
        if record is None:
            return
        yield record


class JudgePages(PipelineStep):
    """Judges each page and stores its Verdict in `metadata["verdict"]`."""

    type, name = "FILTER", "recipe"

    def __init__(self, session: Session, recipe: Recipe, cache: Path) -> None:
        super().__init__()
        self.session, self.recipe, self.cache = session, recipe, cache
        self.guard = PageGuard(PAGE_CPU_FACTOR * recipe.extraction.cpu_limit_s)

    def run(self, data: Iterator[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        for document in data:
            if "verdict" not in document.metadata:
                with self.guard:
                    page = document.metadata["record"].page()
                    document.metadata["verdict"] = judge(page, self.recipe, self.cache, self.session.clock)
            yield document


class WriteSlice(PipelineStep):
    """Writes the outcomes of the pages and commits the slice to the ledger."""

    type, name = "WRITER", "slice"

    def __init__(self, session: Session, recipe: Recipe) -> None:
        super().__init__()
        self.session, self.recipe = session, recipe

    def run(self, data: Iterator[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        session = self.session
        dedup_first = ORDERS[self.recipe.order].dedup_first
        output = SliceOutput(session.source.name, schema_with(self.recipe.columns()), dedup_first=dedup_first)
        for document in data:
            output.add(Outcome(document.metadata["record"], document.metadata["verdict"]))
        folder = session.ledger.scratch(session.slice)
        files = output.write(folder)
        summary = output.summary(
            session.slice, session.read, files,
            stage_cpu_s=session.clock, cpu_s=cpu_seconds() - session.cpu_start,
            wall_s=time.monotonic() - session.wall_start, fallbacks=dict(FALLBACKS),
        )  # fmt: skip
        (folder / "slice.json").write_text(json.dumps(summary.to_dict(), indent=1), encoding="utf-8")
        session.ledger.commit(session.slice, folder, summary)
        return iter(())


class InFlight:
    """A file with the offset of the page that a worker is judging, so that a death can be traced to its page.

    It is eight bytes of shared memory: a write costs no system call, and the kernel keeps it if the process is killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> InFlight:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(descriptor, 8)
        self._map = mmap.mmap(descriptor, 8)
        os.close(descriptor)
        self.set(NO_PAGE)
        return self

    def set(self, offset: int) -> None:
        self._map[:8] = offset.to_bytes(8, "little", signed=True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove the file, except after an error: then the parent process needs it to identify the page."""
        self._map.close()
        if kind is None:
            self._path.unlink(missing_ok=True)
