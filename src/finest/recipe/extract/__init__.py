"""Extract the main text of a page with one of two engines, within a limit on CPU time."""

from __future__ import annotations

from finest.recipe.extract.limit import ExtractionLimit, bounded
from finest.recipe.extract.main_text import extract_blocks
from finest.recipe.extract.page import extract_trafilatura

__all__ = ["ExtractionLimit", "bounded", "extract_blocks", "extract_trafilatura"]
