"""Made-up slices and runs for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from finest.pipeline.report.data import MAX_SOURCES, ReportData, ReportSource
from finest.pipeline.summary import SliceSummary, merge


def slice_(**changes: Any) -> SliceSummary:
    """One slice of five pages, two of them kept."""
    values: dict[str, Any] = {
        "source": 0, "index": 0, "start": 0, "end": 1000, "first_offset": 0, "next_offset": 1010, "sha256": "ab" * 32,
        "records": {"response": 6, "request": 6, "metadata": 6, "warcinfo": 1}, "pages": 5, "kept": 2, "tokens": 900,
        "payload_bytes": 90_000, "compressed_bytes": 20_000, "cpu_s": 0.1, "wall_s": 0.2, "peak_rss_bytes": 400_000_000,
        "stage_cpu_s": {"extraction": 0.07, "quality": 0.02}, "text_chars": {"9": 1, "11": 1},
        "reasons": {"kept": 2, "language": 2, "quality_short_doc": 1}, "languages": {"en": 3, "de": 1},
        "losses": [{"reason": "truncated", "offset": 1005, "length": 5, "detail": "ends in a member"}],
        "samples": {"kept": [sample()], "language": [sample(reason="language", value=0.1, limit=0.65, language="de")]},
        "files": {"rows.parquet": {"sha256": "cd" * 32, "size_bytes": 5_000, "rows": 2}},
    }  # fmt: skip
    return SliceSummary(**(values | changes))


def sample(**changes: Any) -> dict[str, Any]:
    """One page as a sample."""
    page = {
        "id": "<urn:uuid:00000000-0000-4000-8000-000000000001>", "url": "https://example.org/a?b=1&c=2", "value": None,
        "limit": None, "language": "en", "excerpt": "The first words of a page.",
    }  # fmt: skip
    return {key: value for key, value in (page | changes).items() if key != "reason"}


def run(slices: list[SliceSummary], **changes: Any) -> ReportData:
    """A run of those slices."""
    totals = merge(slices)
    sources = changes.get("sources", (ReportSource("s3://commoncrawl/a.warc.gz", 1_000_000),))
    losses = [{**loss, "source": sources[loss["source"]].name} for loss in totals.losses]
    listed = tuple(
        replace(source, totals=merge(part for part in slices if part.source == number))
        for number, source in enumerate(sources[:MAX_SOURCES])
    )
    values: dict[str, Any] = {
        "recipe_name": "fineweb", "recipe_hash": "0123456789abcdef" * 4, "engine": "finest",
        "created": "2025-06-17 10:20 UTC", "sources_count": len(sources),
        "sources_bytes": sum(source.size_bytes for source in sources), "totals": replace(totals, losses=losses),
        "rows": totals.kept, "tokens": totals.tokens, "root": "ef" * 32,
    }  # fmt: skip
    return ReportData(**(values | changes | {"sources": listed}))
