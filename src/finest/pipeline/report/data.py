"""What a report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finest.pipeline.summary import SliceSummary


@dataclass(frozen=True, slots=True)
class ReportSource:
    """One source WARC of the run."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ReportData:
    """What a report is made of."""

    recipe_name: str
    recipe_hash: str
    engine: str
    created: str
    """When the run was finished, as a person reads it: `2025-06-17 10:20 UTC`."""
    sources: tuple[ReportSource, ...]
    """In the order to which SliceSummary.source points."""
    slices: tuple[SliceSummary, ...]
    rows: int
    """Rows of the dataset: kept pages less duplicates."""
    tokens: int
    """GPT-2 tokens of the rows."""
    duplicates: int = 0
    root: str | None = None
    """The Merkle root; None while the dataset has not been put together."""
    wall_s: float | None = None
    """Seconds that the run took, start to end; None where it was not measured."""
    workers: int | None = None
    slices_planned: int | None = None
    """Slices of the whole run; None if all are there."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The recipe in its resolved form."""
    duplicate_samples: tuple[dict[str, Any], ...] = field(default=())
    """A few duplicates: id, url, language, excerpt, duplicate_of."""
