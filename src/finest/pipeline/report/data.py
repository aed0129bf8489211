"""The data that a report shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finest.pipeline.report.scores import Scores
from finest.pipeline.summary import Totals

MAX_SOURCES = 50
"""Number of sources that a report lists."""


@dataclass(frozen=True, slots=True)
class ReportSource:
    """One source WARC of the run."""

    name: str
    size_bytes: int
    totals: Totals = field(default_factory=Totals)
    rates: tuple[float, ...] = ()
    """Pages a second of each of its slices, in order."""


@dataclass(frozen=True, slots=True)
class ReportData:
    """The data of one report."""

    recipe_name: str
    recipe_hash: str
    engine: str
    created: str
    """When the run finished (or, if unfinished, began), for display: `2025-06-17 10:20 UTC`."""
    sources: tuple[ReportSource, ...]
    """The first MAX_SOURCES sources, which the report lists."""
    sources_count: int
    sources_bytes: int
    """Number and size of all sources."""
    totals: Totals
    """The totals so far; the losses give the name of their source."""
    rows: int
    """Rows of the dataset: kept pages minus duplicates; all kept pages while the run is unfinished."""
    tokens: int
    """GPT-2 tokens of the rows."""
    duplicates: int = 0
    not_selected: int = 0
    """Pages whose rows a selection left out."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Pages of the dataset by reason; empty while it has not been assembled."""
    where: str = ""
    """The expression of the selection; empty for all rows."""
    root: str | None = None
    """The Merkle root; None while the dataset has not been assembled."""
    wall_s: float | None = None
    """Wall-clock seconds of the run; None if not measured."""
    workers: int | None = None
    slices_planned: int | None = None
    """Number of slices of the whole run; None if all are included."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The resolved recipe, with every value filled in."""
    duplicate_samples: tuple[dict[str, Any], ...] = field(default=())
    """A few duplicates: id, url, language, excerpt, duplicate_of."""
    scores: tuple[Scores, ...] = ()
    """The columns that the recipe's stages add to the rows."""
    folder: str = ""
    """The run's folder, as the commands on the page name it."""
