"""Ledgers of runs that nobody judged: each slice has four pages, two of them kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from finest.dataset.rows import SCHEMA, batch_of, verdict_batch
from finest.pipeline.dedup.signatures import write_signatures
from finest.pipeline.ledger import Ledger
from finest.pipeline.outcome import parquet_writer
from finest.pipeline.pack import PART_FILES
from finest.pipeline.run_plan import RunPlan, SliceRule
from finest.pipeline.source_table import Sources
from finest.recipe.recipe import Recipe
from finest.warc.layout import Layout
from finest.warc.slices import Slice
from finest.warc.source import Source
from tests.dataset.made import row, verdict

from .made import slice_ as made_summary

SLICE_BYTES = 1000


def plan(sources: int, slices: int = 3, **changes: Any) -> RunPlan:
    """A plan of so many sources with so many slices each."""
    recipe = Recipe(name="made")
    found = [
        Source(f"https://crawl.example/{n}.warc.gz", f"{n}.warc.gz", SLICE_BYTES * slices, f'"{n}"', Layout.MEMBERS)
        for n in range(sources)
    ]
    values: dict[str, Any] = {
        "recipe": recipe.resolved(), "recipe_hash": recipe.hash, "engine": "finest", "limit": None,
        "sources": Sources.of(found), "rule": SliceRule(SLICE_BYTES, SLICE_BYTES),
    }  # fmt: skip
    return RunPlan(**(values | changes))


def begin(out: Path, sources: int = 2, slices: int = 3) -> Ledger:
    return Ledger.begin(out, plan(sources, slices))


def write(ledger: Ledger, slice_: Slice, **changes: Any) -> Path:
    """Write the files of a slice into the scratch folder, not committed yet."""
    first = ledger.plan.slices.number(slice_.source_index, slice_.index) * 10
    pages = [row(first + n, file_path=ledger.plan.sources.name(slice_.source_index)) for n in range(4)]
    folder = ledger.scratch(slice_)
    with parquet_writer(folder / PART_FILES["rows"], SCHEMA) as rows:
        rows.write_batch(batch_of(pages[:2]))
    verdicts = verdict_batch([verdict(page, "kept" if n < 2 else "language") for n, page in enumerate(pages)])
    with parquet_writer(folder / PART_FILES["verdicts"], verdicts.schema) as file:
        file.write_batch(verdicts)
    signature = np.full((14, 8), first, np.uint64)
    write_signatures(folder / PART_FILES["signatures"], [signature, None])
    summary = summary_of(slice_, **changes)
    (folder / "slice.json").write_text(json.dumps(summary.to_dict()))
    return folder


def summary_of(slice_: Slice, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "source": slice_.source_index, "index": slice_.index, "start": slice_.start, "end": slice_.end,
        "first_offset": slice_.start, "next_offset": slice_.end, "pages": 4, "kept": 2, "losses": [],
        "reasons": {"kept": 2, "language": 2},
    }  # fmt: skip
    return made_summary(**(values | changes))


def finish(ledger: Ledger, slice_: Slice, **changes: Any) -> None:
    """Write and commit a slice, as a worker does."""
    ledger.commit(slice_, write(ledger, slice_, **changes), summary_of(slice_, **changes))
