"""Disk: what a task needs, whether there is room for it, and what may be thrown away."""

from __future__ import annotations

import shutil
from stat import S_ISREG
from typing import TYPE_CHECKING

from finest.errors import LedgerError, NeedsPerson
from finest.formatting import byte_size, counted
from finest.pipeline.ledger import Ledger
from finest.warc.source import inspect, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from finest.miner.journal import Journal
    from finest.warc.source import CommonCrawl

BYTES_PER_WARC_BYTE = 0.25
"""Ledger, shards and verdicts of a task for each byte of its WARCs. `finest refine` of a WARC of English pages alone
(66 MB) and one of Common Crawl's mix (52 MB) with recipe fineweb wrote 0.10 together; the English one's ledger was 0.08
of it. Twice and a half as much leaves room for other recipes."""
SPARE_BYTES = 512 << 20
"""Logs, the Hub client's cache, and what other programs write meanwhile."""


def warc_bytes(journal: Journal, common_crawl: CommonCrawl) -> int:
    """Bytes of a task's WARCs: from its ledger, or as the place that holds them says. Raises SourceError."""
    try:
        return sum(source.size_bytes for source in Ledger.read(journal.dataset).plan.sources)
    except LedgerError:
        return sum(inspect(place).size_bytes for place in resolve(journal.record.task.warcs, common_crawl))


def needed_bytes(of_warcs: int) -> int:
    """Bytes that a task with WARCs of that size writes in all."""
    return round(of_warcs * BYTES_PER_WARC_BYTE)


def check_room(
    journal: Journal, of_warcs: int, work: Path, others: Sequence[Journal], say: Callable[[str], None]
) -> None:
    """Say what a task needs; raises NeedsPerson where the disk has less, with what could be thrown away."""
    to_write = max(0, needed_bytes(of_warcs) - folder_bytes(journal.dataset))
    free = shutil.disk_usage(work).free
    say(
        f"Task {journal.id}: {counted(len(journal.record.task.warcs), 'WARC')} of {byte_size(of_warcs)} will "
        f"take up to {byte_size(to_write)} on disk, {byte_size(free)} are free"
    )
    if free >= to_write + SPARE_BYTES:
        return
    raise NeedsPerson(
        f"task {journal.id} needs up to {byte_size(to_write)} at {work.absolute()}, and {byte_size(SPARE_BYTES)} to "
        f"spare; {byte_size(free)} are free, {byte_size(to_write + SPARE_BYTES - free)} too little. "
        f"{_what_to_delete(others)} and run the same command again, or begin in another place with --work. The lease "
        "stays for its life; --hand-back gives it back"
    )


def _what_to_delete(journals: Sequence[Journal]) -> str:
    sizes = [(folder_bytes(one.folder), one) for one in journals if not one.record.open]
    large = sorted((pair for pair in sizes if pair[0] > 1 << 20), key=lambda pair: -pair[0])[:3]
    if not large:
        return "Free some space"
    return "Free some space (" + ", ".join(f"{one.folder}: {byte_size(size)}" for size, one in large) + ")"


def folder_bytes(folder: Path) -> int:
    """What the files below a folder take; files that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        total += status.st_size if S_ISREG(status.st_mode) else 0
    return total


def judged(journal: Journal) -> bool:
    """Whether a validator has passed or failed it."""
    return any(score.verdict in ("pass", "fail") for score in journal.record.task.scores)


def sweep(journals: Iterable[Journal], keep_bytes: int | None, say: Callable[[str], None]) -> None:
    """Throw away the work of tasks that are judged, lost or given back; then the oldest closed ones beyond the limit.

    Their journals stay. Work that is not finished is never touched.
    """
    kept: list[tuple[Journal, int]] = []
    for journal in journals:
        if journal.record.open or not (journal.dataset.exists() or journal.warcs.exists()):
            continue
        if judged(journal) or journal.record.state in ("lost", "released"):
            _throw_away(journal)
        else:
            kept.append((journal, folder_bytes(journal.dataset) + folder_bytes(journal.warcs)))
    kept.sort(key=lambda pair: pair[0].record.changed_at)
    total = sum(size for _, size in kept)
    for journal, size in kept:
        if keep_bytes is None or total <= keep_bytes:
            return
        say(f"Throwing away the work of task {journal.id} ({byte_size(size)}): more than --keep is kept")
        _throw_away(journal)
        total -= size


def _throw_away(journal: Journal) -> None:
    for folder in (journal.dataset, journal.warcs):
        shutil.rmtree(folder, ignore_errors=True)
