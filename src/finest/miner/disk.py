"""Disk space: how much a task needs, whether it is free, and clean-up of old tasks."""

from __future__ import annotations

import shutil
from stat import S_ISREG
from typing import TYPE_CHECKING

from finest.errors import LedgerError, NeedsPerson
from finest.formatting import byte_size
from finest.pipeline.ledger import Ledger
from finest.warc.source import inspect, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from finest.miner.journal import Journal
    from finest.warc.source import CommonCrawl

BYTES_PER_WARC_BYTE = 0.25
"""Bytes of a task's ledger, shards and verdicts for each byte of its WARCs. Measured with `finest refine` and recipe
fineweb on one WARC of English pages (66 MB) and one of Common Crawl's mix (52 MB): 0.10 for both together, of which the
English one's ledger took 0.08. Two and a half times as much leaves space for other recipes."""
PAGE_BYTES = 30_000
"""Compressed bytes of a page of Common Crawl, on average."""
RESERVE_BYTES = 512 << 20
"""Space to keep free for logs, the Hub client's cache and other programs."""


def warc_bytes(journal: Journal, common_crawl: CommonCrawl) -> int:
    """Bytes that a task reads of its WARCs, by its ledger or else by the source that has them. Raises SourceError."""
    try:
        return Ledger.read(journal.dataset).plan.planned_bytes
    except LedgerError:
        if packet := journal.record.task.packet:
            return packet.pages * PAGE_BYTES
        return sum(inspect(place).size_bytes for place in resolve(journal.record.task.warcs, common_crawl))


def needed_bytes(of_warcs: int) -> int:
    """Bytes that a task with WARCs of this size writes in total."""
    return round(of_warcs * BYTES_PER_WARC_BYTE)


def check_free_space(
    journal: Journal, of_warcs: int, work: Path, others: Sequence[Journal], say: Callable[[str], None]
) -> None:
    """Report the space that a task needs; raises NeedsPerson if the disk has less, naming folders to delete."""
    to_write = max(0, needed_bytes(of_warcs) - folder_bytes(journal.dataset))
    free = shutil.disk_usage(work).free
    say(
        f"Task {journal.id}: {journal.record.task.contents} of {byte_size(of_warcs)} will "
        f"take up to {byte_size(to_write)} on disk; {byte_size(free)} are free"
    )
    if free >= to_write + RESERVE_BYTES:
        return
    raise NeedsPerson(
        f"task {journal.id} needs up to {byte_size(to_write)} at {work.absolute()} and a reserve of "
        f"{byte_size(RESERVE_BYTES)}; {byte_size(free)} are free, {byte_size(to_write + RESERVE_BYTES - free)} too "
        f"little. {_what_to_delete(others)} and run the same command again, or use another folder with --work. You "
        "keep the lease until it expires; --hand-back releases it"
    )


def _what_to_delete(journals: Sequence[Journal]) -> str:
    sizes = [(folder_bytes(one.folder), one) for one in journals if not one.record.open]
    large = sorted((pair for pair in sizes if pair[0] > 1 << 20), key=lambda pair: -pair[0])[:3]
    if not large:
        return "Free some space"
    return "Free some space (" + ", ".join(f"{one.folder}: {byte_size(size)}" for size, one in large) + ")"


def folder_bytes(folder: Path) -> int:
    """Total size of the files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        total += status.st_size if S_ISREG(status.st_mode) else 0
    return total


def is_judged(journal: Journal) -> bool:
    """Whether a validator has passed or failed the task."""
    return any(score.verdict in ("pass", "fail") for score in journal.record.task.scores)


def clean_up(journals: Iterable[Journal], keep_bytes: int | None, say: Callable[[str], None]) -> None:
    """Delete the work of tasks that are judged, lost or released, then the oldest other closed ones beyond the limit.

    Keeps their journals, and never touches unfinished tasks.
    """
    kept: list[tuple[Journal, int]] = []
    for journal in journals:
        if journal.record.open or not (journal.dataset.exists() or journal.warcs.exists()):
            continue
        if is_judged(journal) or journal.record.state in ("lost", "released"):
            _delete_work(journal)
        else:
            kept.append((journal, folder_bytes(journal.dataset) + folder_bytes(journal.warcs)))
    kept.sort(key=lambda pair: pair[0].record.changed_at)
    total = sum(size for _, size in kept)
    for journal, size in kept:
        if keep_bytes is None or total <= keep_bytes:
            return
        say(f"Deleting the work of task {journal.id} ({byte_size(size)}): closed tasks take more than --keep allows")
        _delete_work(journal)
        total -= size


def _delete_work(journal: Journal) -> None:
    for folder in (journal.dataset, journal.warcs):
        shutil.rmtree(folder, ignore_errors=True)
