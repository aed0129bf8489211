"""The promise of recipe `fineweb`: DataTrove's own steps give the same verdicts, reasons and texts, page by page."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench.recipes import UNGATED
from bench.reference import KEPT, ReferencePage, run_reference
from bench.reference_dedup import run_reference_dedup
from datatrove.pipeline.filters import URLFilter
from fastwarc.warc import ArchiveIterator

from finest.pipeline.ledger import Ledger
from finest.recipe.pii import redact
from finest.recipe.recipe import PiiRules
from finest.sample.build import build
from tests.deep import NIGHTLY
from tests.e2e.command import finest

UNLIMITED = UNGATED + "[extraction]\ncpu_limit_s = 600.0\n"
"""The reference has no limit on extraction."""
FIRST, RECORDS = (0, 600) if NIGHTLY else (290, 120)
"""Which requests, responses and metadata: those of some 200 pages, or every day of 40, with duplicates among them."""


def ours(warc: Path, out: Path) -> dict[tuple[str, int], dict[str, object]]:
    """Our verdicts by (record id, how many pages of that id came before), kept ones with their row's text."""
    recipe = out.parent / "ungated.toml"
    recipe.write_text(UNLIMITED)
    finest("refine", warc, "--out", out, "--recipe", recipe, "--workers", 2)
    texts: dict[tuple[str, int], str] = {}
    for batch in Ledger.read(out).pack(0).batches("rows"):
        for row in batch.to_pylist():
            texts[row["id"], row["warc_offset"]] = row["text"]
    seen: Counter[str] = Counter()
    pages = {}
    for verdict in pq.read_table(out / "verdicts").to_pylist():
        key = verdict["id"], seen[verdict["id"]]
        seen[verdict["id"]] += 1
        pages[key] = {**verdict, "text": texts.get((verdict["id"], verdict["offset"]))}
    return pages


def differences(reference: list[ReferencePage], pages: dict[tuple[str, int], dict[str, object]]) -> list[object]:
    """Every page whose reason or text is not the same."""
    seen: Counter[str] = Counter()
    found: list[object] = []
    for theirs in reference:
        key = theirs.id, seen[theirs.id]
        seen[theirs.id] += 1
        page = pages.pop(key, None)
        reason = page and (KEPT if page["reason"] == "duplicate" else page["reason"])
        if reason != theirs.reason:
            found.append((theirs.url, theirs.reason, reason))
        elif reason == KEPT and page and page["text"] != redact(theirs.text or "", PiiRules()):
            found.append((theirs.url, "text"))
    return found + [("not in the reference", key) for key in pages]


def check(warc: Path, tmp_path: Path) -> None:
    reference = run_reference([warc], tmp_path / "reference")
    pages = ours(warc, tmp_path / "ours")
    removed = {(page["id"], page["duplicate_of"]) for page in pages.values() if page["reason"] == "duplicate"}
    assert differences(reference, pages) == []
    kept = [(page.id, page.text or "") for page in reference if page.reason == KEPT]
    survivors = run_reference_dedup(kept, tmp_path / "dedup")
    assert removed == {(kept[loser][0], kept[winner][0]) for loser, winner in survivors.items()}
    assert removed


@pytest.mark.slow
@pytest.mark.nightly
def test_on_the_sample(tmp_path: Path) -> None:
    """Every page of the sample, and the same duplicates removed in favour of the same pages.

    Without the sample's broken records, at the first of which DataTrove's reader stops.
    """
    (tmp_path / "intact.warc.gz").write_bytes(build(broken=False))
    check(tmp_path / "intact.warc.gz", tmp_path)


@pytest.mark.corpus
@pytest.mark.slow
def test_on_real_pages(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real pages in many languages, and the same duplicates removed in favour of the same pages.

    RECORDS records of a WARC, or with PAGES=all each of its 1,901 pages, which takes minutes. The few of every day are
    on none of DataTrove's lists of 4.6 million domains, which take it seconds to load.
    """
    if not NIGHTLY and "PAGES" not in os.environ:
        monkeypatch.setattr(URLFilter, "download_data", lambda _: None)
    warc = corpus / "mix-00.warc.gz"
    check(warc if os.environ.get("PAGES") == "all" else part(warc, tmp_path / "part.warc.gz"), tmp_path)


def part(warc: Path, out: Path, first: int = FIRST, records: int = RECORDS) -> Path:
    """Some records of a WARC, byte for byte."""
    with warc.open("rb") as stream:
        offsets = [record.stream_pos for record in islice(ArchiveIterator(stream), first, first + records + 1)]
        stream.seek(offsets[0])
        out.write_bytes(stream.read(offsets[-1] - offsets[0]))
    return out
