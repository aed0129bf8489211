"""`finest report`: one self-contained HTML page that shows what the recipe did.

The page loads nothing: it has no scripts, external fonts or images, and its content security policy forbids them. So
text from untrusted pages can do no harm even if it escaped its element.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from finest import formatting
from finest.pipeline.report.data import ReportData
from finest.pipeline.report.view import View, view


def render_report(report: ReportData) -> str:
    """Render the report as one HTML page (UTF-8, about 30 kB without samples)."""
    page: View = view(report)
    return _template().render(page=page, css=Markup(_asset("report.css")))  # noqa: S704  the project's own file


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"showable": formatting.showable, "whole": formatting.whole}
    return environment.from_string(_asset("report.html.j2"))


def _asset(name: str) -> str:
    return resources.files("finest.pipeline.report").joinpath(name).read_text(encoding="utf-8")
