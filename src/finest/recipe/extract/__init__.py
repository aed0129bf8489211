"""Extract the main text of a page with one of three engines, within a limit on CPU time or on steps."""

from __future__ import annotations

from finest.recipe.extract.limit import ExtractionLimit, bounded
from finest.recipe.extract.main_text import extract_blocks
from finest.recipe.extract.page import extract_trafilatura
from finest.recipe.extract.structured_text import extract_formats, extract_structure

__all__ = [
    "ExtractionLimit", "bounded", "extract_blocks", "extract_formats", "extract_structure", "extract_trafilatura",
]  # fmt: skip
