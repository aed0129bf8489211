"""The extractors that a recipe can name; each returns the main text of an HTML page, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.recipe.extract import extract_blocks, extract_structure, extract_trafilatura

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES: dict[str, Callable[[str], str | None]] = {
    "trafilatura": extract_trafilatura, "blocks-1": extract_blocks, "blocks-2": extract_structure,
}  # fmt: skip
STRUCTURED = "blocks-2"
"""The engine that keeps structure: it writes Markdown too, and limits its own work by steps instead of CPU time."""
