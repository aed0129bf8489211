"""`finest report`: one self-contained HTML page from which a person sees what the recipe did.

The page asks nobody for anything: no script, no font, no picture from elsewhere, and a content security policy that
forbids them, so that no text of a stranger's page can do harm even where it should break out of its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from finest.refine.report import figures
from finest.refine.report.view import View, view
from finest.refine.summary import SliceSummary


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
    duplicate_samples: tuple[dict[str, Any], ...] = field(default=())
    """A few duplicates: id, url, language, excerpt, duplicate_of."""


def render_report(report: ReportData) -> str:
    """The report as one HTML page (UTF-8, about 30 kB without samples)."""
    page: View = view(report)
    return _template().render(page=page, css=Markup(_asset("report.css")))  # noqa: S704  the project's own file


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"showable": figures.showable, "whole": figures.whole}
    return environment.from_string(_asset("report.html.j2"))


def _asset(name: str) -> str:
    return resources.files("finest.refine.report").joinpath(name).read_text(encoding="utf-8")
