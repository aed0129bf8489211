"""DataTrove's own pipeline, for the tests that hold ours against it."""

from __future__ import annotations

from bench.reference import ReferencePage, collect, read_pages, run_pipeline, run_reference
from bench.reference_dedup import run_reference_dedup

__all__ = ["ReferencePage", "collect", "read_pages", "run_pipeline", "run_reference", "run_reference_dedup"]
