"""Extraction: trafilatura's text at a fraction of its CPU time, resiliparse's text, and the bound on both."""

from __future__ import annotations

import pytest
import trafilatura

from finest.recipe.extract import extract_resiliparse, extract_trafilatura
from tests.recipe.extract_pages import ARTICLE, LONG, PAGES, page


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


def test_resiliparse_takes_the_main_content() -> None:
    """The text of the article, without navigation."""
    html = page(f"<nav><a href='/'>Home</a></nav><article><p>{LONG}</p></article><footer>Imprint</footer>")
    text = extract_resiliparse(html)
    assert text is not None
    assert text.strip() == LONG.strip()


@pytest.mark.parametrize("html", ["", "<html></html>", "  "])
def test_resiliparse_no_text_is_none(html: str) -> None:
    """A page without text has no text, rather than an empty one."""
    assert extract_resiliparse(html) is None
