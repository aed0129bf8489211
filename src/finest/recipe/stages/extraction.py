"""Stage extraction: extracts the page's main text with one of the extractors in `finest.recipe.engines`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from finest.recipe.check import Check
from finest.recipe.pii import redact
from finest.recipe.stage import Column, PageFailure, Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class ExtractionRules(Rules):
    """How the main text of a page is extracted.

    - `engine` is the extractor.
    - `cpu_limit_s` limits the extraction of one page, in CPU seconds. Engine `blocks-2` limits its steps instead, so
      that no verdict depends on the machine.
    - `format` is what engine `blocks-2` writes: `text`, or `markdown`. The filters judge what it writes.
    - `both` adds the other format to each row, as column `markdown` or `plain_text`: as extracted, with PII replaced,
      and with the lines that C4's rules drop from the text.
    """

    engine: Literal["trafilatura", "blocks-1", "blocks-2"] = "trafilatura"
    cpu_limit_s: float = 10.0
    format: Literal["text", "markdown"] = "text"
    both: bool = False

    @model_validator(mode="after")
    def _checked(self) -> ExtractionRules:
        if self.engine != "blocks-2" and (self.format != "text" or self.both):
            raise ValueError(f'engine {self.engine!r} writes plain text only; set engine = "blocks-2"')
        return self

    @property
    def column(self) -> Column:
        """The column that holds the other format."""
        if self.format == "text":
            return Column("markdown", "string", "The page's main text as Markdown, with all lines.")
        return Column("plain_text", "string", "The page's main text as plain text, with all lines.")


def _run(state: PageState, rules: ExtractionRules, tools: Toolbox) -> Iterator[Check]:
    from finest.recipe.extract.limit import ExtractionLimit

    text = other = ""
    try:
        text, other = _texts(state.html, rules)
        text.encode()  # raises for a lone surrogate, which can be neither hashed nor written
    except ExtractionLimit:
        yield Check("extraction_limit", rules.cpu_limit_s, rules.cpu_limit_s, True)
    except MemoryError:  # a fault of this machine, not of the page
        raise
    except Exception as error:
        raise PageFailure("extraction_error") from error
    state.text = text
    if rules.both:
        state.columns[rules.column.name] = redact(other, tools.recipe.pii)
    yield Check("extraction_empty", len(text), 1, not text)
    most = tools.recipe.limits.text_chars
    yield Check("extraction_long", len(text), most, len(text) > most)


def _texts(html: str, rules: ExtractionRules) -> tuple[str, str]:
    """Return the text, and with `both` the text in the other format."""
    from finest.recipe.engines import ENGINES, STRUCTURED
    from finest.recipe.extract import bounded, extract_formats

    if rules.engine != STRUCTURED:
        return bounded(ENGINES[rules.engine], html, rules.cpu_limit_s) or "", ""
    markdown = rules.format == "markdown"
    text, *other = extract_formats(html, (markdown, not markdown) if rules.both else (markdown,))
    return text, other[0] if other else ""


EXTRACTION = Stage(
    name="extraction", section="extraction", rules=ExtractionRules, run=_run, needs=("html", "columns"),
    provides=("text", "columns"), columns_of=lambda rules: (rules.column,) if rules.both else (),
    question="Is there main text in the page?", ends=True,
    reasons={
        "extraction_empty": "No main text was found in the page.",
        "extraction_error": "The extractor failed on the page.",
        "extraction_limit": "The page took more CPU time, or more steps, than extraction may.",
        "extraction_crash": "The page took the process that judged it down.",
        "extraction_long": "The extracted text is longer than the recipe allows.",
    },
)  # fmt: skip
