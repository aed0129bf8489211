"""Stage extraction: extracts the page's main text with one of the extractors in `finest.recipe.engines`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import Field, model_validator

from finest.recipe.check import Check
from finest.recipe.pii import redact
from finest.recipe.stage import Column, PageFailure, Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


Engine: TypeAlias = Literal["trafilatura", "blocks-1", "blocks-2"]


class ExtractionRules(Rules):
    """How the main text of a page is extracted.

    - `engine` is the extractor.
    - `cpu_limit_s` limits the extraction of one page, in CPU seconds. Engine `blocks-2` limits its steps instead, so
      that no verdict depends on the machine.
    - `format` is what engine `blocks-2` writes: `text`, or `markdown`. The filters judge what it writes.
    - `trees_sha256` is the sha256 of the trees with which `blocks-2` selects the main text. A recipe file that does not
      state it gets that of the installed version; one that states another is refused.
    - `second` is another extractor, run on each page too. Of the two texts, the one with the higher score by the
      shipped quality model `choose_by` (its sha256 is `choose_by_sha256`) is judged first. If a filter drops it, except
      for its language, the other one is judged, and the page is kept if that passes. Column `engine` names the text's
      extractor.
    - `both` adds the other format to each row, as column `markdown` or `plain_text`: as extracted, with PII replaced,
      and with the lines that C4's rules drop from the text.
    """

    engine: Engine = "trafilatura"
    cpu_limit_s: float = 10.0
    format: Literal["text", "markdown"] = "text"
    both: bool = False
    trees_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    second: Engine | None = None
    choose_by: str = Field(default="", pattern=r"^([a-z][a-z0-9_]{0,31})?$")
    choose_by_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")

    @model_validator(mode="after")
    def _checked(self) -> ExtractionRules:
        union = (self.second is not None, bool(self.choose_by), bool(self.choose_by_sha256))
        if len(set(union)) > 1:
            raise ValueError("second, choose_by and choose_by_sha256 are all named, or none of them")
        if self.second is not None and (self.second == self.engine or self.both):
            raise ValueError("second is another extractor than engine, and not used together with both")
        if not self.is_structured and (self.format != "text" or self.both):
            raise ValueError(f'engine {self.engine!r} writes plain text only; set engine = "blocks-2"')
        return self

    @property
    def is_structured(self) -> bool:
        """Whether engine `blocks-2` runs on each page."""
        return "blocks-2" in (self.engine, self.second)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that extraction adds to each row."""
        return (self.other_format,) * self.both + (ENGINE,) * (self.second is not None)

    @property
    def other_format(self) -> Column:
        """The column that holds the other format."""
        if self.format == "text":
            return Column("markdown", "string", "The page's main text as Markdown, with all lines.")
        return Column("plain_text", "string", "The page's main text as plain text, with all lines.")


ENGINE = Column("engine", "string", "The extractor of the text.")


def _run(state: PageState, rules: ExtractionRules, tools: Toolbox) -> Iterator[Check]:
    from finest.recipe.extract.limit import ExtractionLimit

    text = other = ""
    try:
        text, other = _texts(state.html, rules.engine, rules)
        if rules.second is not None:
            text = _better(state, rules, text, tools)
        text.encode()  # raises for a lone surrogate, which can be neither hashed nor written
    except ExtractionLimit:
        yield Check("extraction_limit", rules.cpu_limit_s, rules.cpu_limit_s, True)
    except MemoryError:  # a fault of this machine, not of the page
        raise
    except Exception as error:
        raise PageFailure("extraction_error") from error
    state.text = text
    if rules.both:
        state.columns[rules.other_format.name] = redact(other, tools.recipe.pii)
    yield Check("extraction_empty", len(text), 1, not text)
    most = tools.recipe.limits.text_chars
    yield Check("extraction_long", len(text), most, len(text) > most)


def _better(state: PageState, rules: ExtractionRules, first: str, tools: Toolbox) -> str:
    """Return the better text of the two extractors; the state gets its engine, and the other text as `second`."""
    assert rules.second is not None
    found = {rules.engine: first, rules.second: _texts(state.html, rules.second, rules)[0]}
    texts = {engine: text for engine, text in found.items() if 0 < len(text) <= tools.recipe.limits.text_chars}
    if len(set(texts.values())) == 2:  # the first engine's text wins a tie, since sorting is stable
        order = sorted(texts, key=lambda engine: -tools.chooser.score(texts[engine]).raw)
        state.second = order[1], texts[order[1]]
    else:
        order = list(texts) or [rules.engine]
    state.columns[ENGINE.name] = order[0]
    return found[order[0]]


def _texts(html: str, engine: Engine, rules: ExtractionRules) -> tuple[str, str]:
    """Return the extractor's text, and with `both` the text in the other format."""
    from finest.recipe.engines import ENGINES, STRUCTURED
    from finest.recipe.extract import bounded, extract_formats

    if engine != STRUCTURED:
        return bounded(ENGINES[engine], html, rules.cpu_limit_s) or "", ""
    markdown = rules.format == "markdown"
    text, *other = extract_formats(html, (markdown, not markdown) if rules.both else (markdown,))
    return text, other[0] if other else ""


EXTRACTION = Stage(
    name="extraction", section="extraction", rules=ExtractionRules, run=_run, needs=("html", "columns"),
    provides=("text", "columns"), columns_of=lambda rules: rules.columns,
    question="Is there main text in the page?", ends=True,
    reasons={
        "extraction_empty": "No main text was found in the page.",
        "extraction_error": "The extractor failed on the page.",
        "extraction_limit": "The page took more CPU time, or more steps, than extraction may.",
        "extraction_crash": "The page took the process that judged it down.",
        "extraction_long": "The extracted text is longer than the recipe allows.",
    },
)  # fmt: skip
