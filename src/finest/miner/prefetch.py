"""Prefetch: reads the next task's WARCs while the current task is published and committed."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

from finest.errors import FinestError, SourceError, TaskServerError
from finest.miner.disk import RESERVE_BYTES, needed_bytes
from finest.warc.places import opener_for
from finest.warc.source import resolve
from finest.warc.stream import ResumableStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.miner.journal import Journal
    from finest.warc.source import CommonCrawl

PIECE_BYTES = 1 << 20
JOIN_S = 5.0


class Prefetcher:
    """Prefetches one task at a time in a thread. The pipeline itself reads whatever was not prefetched."""

    def __init__(self, common_crawl: CommonCrawl, say: Callable[[str], None]) -> None:
        self._common_crawl, self._say = common_crawl, say
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, lease_next: Callable[[], Journal | None]) -> None:
        """Lease another task with `lease_next` and start to read its WARCs; does nothing if a prefetch is running."""
        if self._thread is None:
            self._over = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(lease_next, self._over), name="read ahead", daemon=True
            )
            self._thread.start()

    def end(self) -> None:
        """Stop the prefetch and delete an incomplete file."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
            self._thread = None

    def _run(self, lease_next: Callable[[], Journal | None], over: threading.Event) -> None:
        try:
            journal = lease_next()
        except TaskServerError:
            return  # no second lease now; the loop asks again before its next task
        if journal is None or over.is_set() or journal.record.task.packet or journal.record.task.merge:
            return
        try:
            done = prefetch_warcs(journal, self._common_crawl, over)
        except (FinestError, OSError) as error:
            self._say(f"The prefetch of task {journal.id} stopped: {error}")
        else:
            self._say(f"Task {journal.id}: {done} of {len(journal.record.task.warcs)} WARCs are prefetched")


def prefetch_warcs(journal: Journal, common_crawl: CommonCrawl, over: threading.Event) -> int:
    """Copy the task's WARCs to its folder until `over` is set or the disk is full; returns how many are complete.

    Raises SourceError if a WARC cannot be read.
    """
    done = 0
    for path in journal.record.task.warcs:
        target = journal.warcs / path
        if not target.exists() and not _copy(path, target, common_crawl, over):
            return done
        done += 1
    return done


def _copy(path: str, target: Path, common_crawl: CommonCrawl, over: threading.Event) -> bool:
    """Copy one WARC under a temporary name, then rename it; returns whether it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    stream = ResumableStream(opener_for(resolve([path], common_crawl)[0]))
    try:
        stream.connect()
        size = stream.size_bytes or 0
        if shutil.disk_usage(target.parent).free < size + needed_bytes(size) + 2 * RESERVE_BYTES:
            return False
        with partial.open("wb") as file:
            while not over.is_set() and (piece := stream.read(PIECE_BYTES)):
                file.write(piece)
        if over.is_set():
            return False
        if stream.position != size:
            raise SourceError(f"{path}: ended at byte {stream.position} of {size}")
        partial.rename(target)
    finally:
        stream.close()
        partial.unlink(missing_ok=True)
    return True
