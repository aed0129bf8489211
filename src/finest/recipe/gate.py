"""Cheap sure drops before extraction: pages that cannot turn out to be in a wanted language, or long enough."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from resiliparse.extract.html2text import extract_plain_text

from finest.recipe.check import Check
from finest.recipe.iso639 import language_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.language import LanguageModel
    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe


def cld2_gate(page: Page, recipe: Recipe) -> Iterator[Check]:
    """Common Crawl's own CLD2 record: the share of text that it gives to the wanted languages."""
    rules = recipe.gate
    if not (rules.enabled and _wants(recipe) and page.languages):
        return
    share = sum(share for code, share in page.languages if _may_be_wanted(code, recipe.language.languages))
    yield Check("gate_cld2", share, rules.cld2_share, share <= rules.cld2_share)


def text_gate(page: Page, html: str, recipe: Recipe, model: LanguageModel) -> Iterator[Check]:
    """Too little HTML to hold a page, and, where Common Crawl says nothing, the language of all visible text.

    Extraction never makes a page's text longer than its HTML, so a page below `min_html_chars` would be dropped as
    a short document whatever it says.
    """
    rules = recipe.gate
    if not rules.enabled:
        return
    yield Check("gate_short", len(html), rules.min_html_chars, len(html) < rules.min_html_chars)
    if page.languages or not _wants(recipe):
        return
    text = extract_plain_text(html, main_content=False, alt_texts=False)
    if len(text) < rules.lid_min_chars:
        return
    score = max(model.score(text, language) for language in recipe.language.languages)
    yield Check("gate_lid", score, rules.lid_score, score <= rules.lid_score)


@lru_cache(maxsize=1024)
def _may_be_wanted(code: str, wanted: tuple[str, ...]) -> bool:
    """Whether CLD2's code is that of a wanted language, or of one that belongs to the same macro-language.

    The gate drops what is surely in another language, and Bokmål and Nynorsk, say, are too near for that.
    """
    stated = language_of(code)
    return stated is not None and any(stated.may_be(language) for language in map(language_of, wanted) if language)


def _wants(recipe: Recipe) -> bool:
    """Whether the recipe wants some languages more than others."""
    return recipe.language.enabled and bool(recipe.language.languages)
