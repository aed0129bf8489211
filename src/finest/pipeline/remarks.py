"""Remarks on a finished run: which sources were partly unreadable, and why the dataset has no rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.errors import LedgerError
from finest.formatting import byte_size, counted
from finest.pipeline.ledger import Ledger
from finest.recipe.reasons import Reasons, reasons_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finest.dataset.manifest import Manifest
    from finest.pipeline.summary import Totals

LOST_SHARE = 0.01
"""A source that lost a larger share of its bytes than this is named."""
SHOWN = 5
"""Maximum number of sources, and of reasons, that are named."""

_WITHOUT_PAGES = {
    "resource": "resource records (files archived without HTTP) are pages only for recipes that list them in [payload] "
    "records, as `finest` does: refine again with --recipe finest",
    "revisit": "revisit records refer to pages that were archived before: refine the WARC files that hold those",
    "metadata": "metadata records are what WAT files hold: refine the WARC files that they were made of "
    "(at Common Crawl the same path with /warc/ in place of /wat/ and .warc.gz at its end)",
    "request": "request records hold what the crawler sent: refine the WARC files with the responses",
}
"""Advice by type of the records that hold no page; the first type that a run has read is named."""
_WET = (
    "conversion records are what WET files hold: text without HTML, which recipes do not take; refine the WARC files "
    "that they were made of (at Common Crawl the same path with /warc/ in place of /wet/ and .warc.gz at its end)"
)


def remarks(out: Path, manifest: Manifest) -> list[str]:
    """Return the remarks on the run in a folder, one line each; empty if its ledger cannot be read."""
    try:
        ledger = Ledger.read(out)
        found = list(_unreadable(ledger))
        if not manifest.rows:
            found.append(f"the dataset has no rows: {_why_empty(ledger.so_far(), reasons_of(manifest.recipe))}")
    except LedgerError:
        return []
    return found


def _unreadable(ledger: Ledger) -> Iterator[str]:
    sizes, worst, segments = ledger.plan.sources.sizes, [], 0
    for number, totals in ledger.each_source():
        segments += totals.records.get("continuation", 0)
        lost, size = totals.lost_bytes, int(sizes[number])
        if lost > LOST_SHARE * size:
            worst.append((lost / size, number, lost, size, totals.loss_counts))
    for share, number, lost, size, losses in sorted(worst, key=lambda one: one[:2], reverse=True)[:SHOWN]:
        yield (
            f"{share:.0%} of {ledger.plan.sources.name(number)} ({byte_size(lost)} of {byte_size(size)}) could not be "
            f"read: {_counts(losses)}; see where with: finest status {ledger.out}"
        )
    if len(worst) > SHOWN:
        yield f"{counted(len(worst) - SHOWN, 'more source')} also lost more than {LOST_SHARE:.0%} each"
    if segments:
        yield (
            f"the sources hold {counted(segments, 'continuation record')}; of a page in segments only the first one is "
            "judged, as by DataTrove, because a row is proved by one record: join the segments first to have all of it"
        )


def _why_empty(totals: Totals, known: Reasons) -> str:
    records = totals.records
    if not records:
        return (
            f"no record could be read ({_counts(totals.loss_counts)})"
            if totals.loss_counts
            else "the sources hold no record"
        )
    read = f"the sources hold {_counts(records)} records"
    if not totals.pages:
        advice = next(
            (text for kind, text in _WITHOUT_PAGES.items() if records.get(kind)),
            "refine WARC files that hold response records",
        )
        return f"{read}, but no page; {advice}"
    if set(totals.reasons) == {"payload_type"} and records.get("conversion", 0) == totals.pages:
        return f"{read}; {_WET}"
    name, pages = max(totals.reasons.items(), key=lambda item: item[1])
    if name == "kept":  # the verdicts kept these pages, so only deduplication removed them
        return f"{counted(totals.pages, 'page')} read; all that the filters kept were duplicates"
    why = known.reason(name).explanation.rstrip(".")
    return f"all {counted(totals.pages, 'page')} were dropped, {pages:,} of them as {name} ({why})"


def _counts(counts: dict[str, int]) -> str:
    """Format counts as `3 gzip_corrupt, 1 stream_gap`, the largest first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ranked[:SHOWN])
