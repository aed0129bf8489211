"""Refuse to start on a broken installation: a known page must give its known text.

DataTrove counts an extractor that cannot be imported as timeouts, drops every page and reports success. So before the
first slice is read, this check runs a page with known text through the whole recipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.errors import FinestError, RunError
from finest.pipeline.decontaminate.indexes import provide_index
from finest.pipeline.languages import check_has_languages
from finest.pipeline.quality_models import provide_models
from finest.recipe.judge import ENGINES, judge, toolbox
from finest.recipe.page import Page

if TYPE_CHECKING:
    from pathlib import Path

    from finest.recipe.recipe import Recipe

_SENTENCES = (
    "The river rises in the hills above the old town and turns south where the valley opens.",
    "Every spring the people who live there mark the height of the water on the wall of the mill.",
    "The oldest mark that can still be read was cut more than two hundred years ago by a miller and his son.",
    "Since then the floods have come later in the year, and the marks have moved closer to the ground.",
    "A teacher from the school copied all of them into a notebook and drew a curve that surprised the council.",
    "It showed that the river had been losing water for as long as anyone had cared to measure it.",
)
KNOWN_TEXT = "\n".join(_SENTENCES)
KNOWN_HTML = (
    "<!DOCTYPE html><html lang='en'><head><title>The marks on the mill</title></head><body>"
    "<nav><a href='/'>Home</a> <a href='/about'>About</a></nav>"
    f"<article>{''.join(f'<p>{sentence}</p>' for sentence in _SENTENCES)}</article>"
    "<footer>Copyright</footer></body></html>"
)
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + KNOWN_HTML.encode()
KNOWN_PAGE = Page("<urn:uuid:0>", "https://example.org/mill", "2025-01-01T00:00:00Z", _RESPONSE, "text/html")


def preflight(recipe: Recipe, cache: Path) -> None:
    """Fetch and load everything that the recipe needs, and extract and judge a known page.

    Raises RunError if the page has another text; UsageError if the recipe names no language and needs one; ModelError,
    HubError or VerifyError if a quality model is not to be had.
    """
    check_has_languages(recipe)
    provide_models(recipe.quality_model, cache)
    provide_index(recipe, cache)
    try:
        toolbox(recipe, cache).load()
        text = ENGINES[recipe.extraction.engine](KNOWN_HTML)
        judge(KNOWN_PAGE, recipe, cache)
    except FinestError:
        raise
    except Exception as error:
        raise RunError(f"{_BROKEN}: {type(error).__name__}: {error}; {_MEND}") from error
    if (text or "").split() != KNOWN_TEXT.split():
        raise RunError(f"{_BROKEN}: a known page gives {len(text or '')} of its {len(KNOWN_TEXT)} characters; {_MEND}")


_BROKEN = "this installation is broken"
_MEND = "repair it with: pip install --force-reinstall finest-data"
