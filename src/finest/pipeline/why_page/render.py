"""Render the answers of `finest why` as one self-contained HTML page.

A crawled page is a stranger's: it is shown in a frame without scripts, forms or links (`sandbox`), and the content
security policy of the whole page, which holds in the frame too, loads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from finest.formatting import beside, compact, counted, showable, whole
from finest.recipe.reasons import KEPT, reasons_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.pipeline.why import Why
    from finest.recipe.extract.pieces import Piece

MOST_HTML = 5_000_000
"""Characters of a crawled page that are shown; a browser takes seconds for more."""
MOST_PIECES = 5_000
"""Blocks of a page that are shown, for the same reason."""
MOST_CHARS = 5_000
"""Characters of a block that are shown."""


_MORE = {"blocks-2": ", decides over a table as a whole, and fills small gaps in the main text"}
"""What an engine's choice depends on besides the score of the block."""


@dataclass(frozen=True, slots=True)
class Line:
    """One block of the page, formatted for display."""

    text: str
    tone: str
    """`kept`, `later` for a block that a later stage removed, or `cut`."""
    score: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One page with its verdict, formatted for display."""

    url: str
    place: str
    reason: str
    tone: str
    explanation: str
    checks: list[tuple[str, str, str, str, bool]]
    """Stage, test, value, limit, and whether the test failed."""
    scores: list[tuple[str, str]]
    html: str
    lines: list[Line]
    more: str
    counts: str
    unit: str
    """How a block was found to be in the text."""


def render_why(answers: Sequence[Why]) -> str:
    """Render the answers as one HTML page (UTF-8)."""
    css = Markup(_asset("why.css"))  # noqa: S704  the project's own file
    return _template().render(answers=[_answer(one) for one in answers], css=css)


def _answer(found: Why) -> Answer:
    stored, state = found.stored, found.trail.state
    reason = stored["reason"]
    checks = [
        (stage, check.reason, *beside(check.value, check.limit), check.failed)
        for stage, checks in found.trail.stages.items()
        for check in checks
    ]
    engine = found.recipe["extraction"]["engine"]
    scored = any(piece.score is not None for piece in found.pieces)
    return Answer(
        url=showable(stored["url"], 2000), place=showable(f"{stored['file_path']} at offset {stored['offset']}", 2000),
        reason=reason, tone="kept" if reason == KEPT else "dropped",
        explanation=reasons_of(found.recipe).reason(reason).explanation, checks=checks,
        scores=[(one.name, one.score.label or f"bin {one.score.bin} of 0-19") for one in found.scores],
        html=showable(state.html, MOST_HTML), lines=[_line(piece) for piece in found.pieces[:MOST_PIECES]],
        more=f"and {counted(len(found.pieces) - MOST_PIECES, 'more block')}" if found.pieces[MOST_PIECES:] else "",
        counts=_counts(found.pieces),
        unit=f"Engine {engine} takes blocks with a score above 0{_MORE.get(engine, '')}." if scored else
        f"Engine {engine} gives blocks no score. A block counts as extracted if its words stand in the text.",
    )  # fmt: skip


def _line(piece: Piece) -> Line:
    tone = "kept" if piece.kept else "later" if piece.extracted else "cut"
    return Line(showable(piece.text, MOST_CHARS), tone, "" if piece.score is None else f"{piece.score:+,}")


def _counts(pieces: Sequence[Piece]) -> str:
    later = sum(piece.extracted and not piece.kept for piece in pieces)
    cut = sum(not piece.extracted for piece in pieces)
    chars = sum(len(piece.text) for piece in pieces if piece.kept)
    kept = len(pieces) - later - cut
    return (
        f"{counted(kept, 'block')} kept ({compact(chars)} characters), {whole(cut)} cut by the extractor, "
        f"{whole(later)} by later stages"
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("why.html.j2"))


def _asset(name: str) -> str:
    return resources.files("finest.pipeline.why_page").joinpath(name).read_text(encoding="utf-8")
