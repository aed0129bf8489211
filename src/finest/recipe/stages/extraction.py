"""Stage extraction: extracts the page's main text with one of the extractors in `finest.recipe.engines`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from finest.recipe.check import Check
from finest.recipe.stage import PageFailure, Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class ExtractionRules(Rules):
    """How the main text of a page is extracted.

    `engine` is the extractor; `cpu_limit_s` limits the extraction of one page, in CPU seconds.
    """

    engine: Literal["trafilatura", "blocks-1"] = "trafilatura"
    cpu_limit_s: float = 10.0


def _run(state: PageState, rules: ExtractionRules, tools: Toolbox) -> Iterator[Check]:
    from finest.recipe.engines import ENGINES
    from finest.recipe.extract.limit import ExtractionLimit, bounded

    text = ""
    try:
        text = bounded(ENGINES[rules.engine], state.html, rules.cpu_limit_s) or ""
        text.encode()  # raises for a lone surrogate, which can be neither hashed nor written
    except ExtractionLimit:
        yield Check("extraction_limit", rules.cpu_limit_s, rules.cpu_limit_s, True)
    except MemoryError:  # a fault of this machine, not of the page
        raise
    except Exception as error:
        raise PageFailure("extraction_error") from error
    state.text = text
    yield Check("extraction_empty", len(text), 1, not text)
    most = tools.recipe.limits.text_chars
    yield Check("extraction_long", len(text), most, len(text) > most)


EXTRACTION = Stage(
    name="extraction", section="extraction", rules=ExtractionRules, run=_run, needs=("html",), provides=("text",),
    question="Is there main text in the page?", ends=True,
    reasons={
        "extraction_empty": "No main text was found in the page.",
        "extraction_error": "The extractor failed on the page.",
        "extraction_limit": "The page took more CPU time than the recipe allows.",
        "extraction_crash": "The page took the process that judged it down.",
        "extraction_long": "The extracted text is longer than the recipe allows.",
    },
)  # fmt: skip
