"""Extraction: trafilatura's text at a fraction of its CPU time."""

from __future__ import annotations

import pytest
import trafilatura

from finest.recipe.extract import ExtractionLimit, extract_trafilatura
from finest.recipe.extract.page import MOST_TAGS_OF_TRAFILATURA
from tests.recipe.extract_pages import ARTICLE, PAGES, page


def reference(html: str) -> str | None:
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False)


@pytest.mark.parametrize("name", PAGES)
def test_same_text_as_trafilatura(name: str) -> None:
    """Whatever way trafilatura takes through a page, the text is the same."""
    assert extract_trafilatura(PAGES[name]) == reference(PAGES[name])


def test_same_text_in_any_order() -> None:
    """A page's text does not depend on the pages before it."""
    first = [extract_trafilatura(html) for html in PAGES.values()]
    assert [extract_trafilatura(html) for html in reversed(PAGES.values())] == first[::-1]


def test_trafilatura_is_left_as_it_is() -> None:
    """Our extraction replaces nothing in trafilatura: its own text is the same before and after."""
    html = page(f"<article>{ARTICLE}</article>")
    before = reference(html)
    extract_trafilatura(html)
    assert reference(html) == before


@pytest.mark.parametrize("count", [MOST_TAGS_OF_TRAFILATURA // 100, MOST_TAGS_OF_TRAFILATURA])
def test_trafilatura_itself_gets_no_page_that_it_would_take_minutes_for(count: int) -> None:
    """No CPU limit can stop one of its XPath expressions, so a page of many tags is refused before it."""
    html = page(f"<nav>\x01</nav><article>{ARTICLE}<p>{'word<br>' * count}</p></article>")
    if count < MOST_TAGS_OF_TRAFILATURA:
        assert extract_trafilatura(html) == reference(html)
        return
    with pytest.raises(ExtractionLimit):
        extract_trafilatura(html)
