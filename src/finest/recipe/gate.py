"""Cheap checks before extraction that drop only pages that are certainly too short or in an unwanted language."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from resiliparse.extract.html2text import extract_plain_text

from finest.recipe.check import Check
from finest.recipe.iso639 import language_of
from finest.recipe.near import known_to_cld2, near

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.language import LanguageModel
    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe


def cld2_gate(page: Page, recipe: Recipe) -> Iterator[Check]:
    """Check the share of the page's text that Common Crawl's CLD2 record assigns to the wanted languages."""
    rules = recipe.gate
    if not (rules.enabled and _wants(recipe) and page.languages):
        return
    wanted = recipe.language.languages
    if recipe.language.table:
        if not known_to_cld2(wanted):
            return
        share = sum(share for code, share in page.languages if near(wanted).has(code))
    else:
        share = sum(share for code, share in page.languages if _may_be_wanted(code, wanted))
    yield Check("gate_cld2", share, rules.cld2_share, share <= rules.cld2_share)


def text_gate(page: Page, html: str, recipe: Recipe, model: LanguageModel) -> Iterator[Check]:
    """Check the length of the HTML and, if the page has no CLD2 record, the language of all visible text.

    Extracted text is never longer than the HTML, so the quality filter would drop any page below `min_html_chars` as a
    short document. `model` is the recipe's, or the shipped one if the recipe has a table of languages.
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
    wanted = recipe.language.languages
    if not recipe.language.table:
        score = max(model.score(text, language) for language in wanted)
    elif near(wanted).all_in(frozenset(model.labels)):
        score = max((score for label, score in model.scores(text).items() if near(wanted).has(label)), default=0.0)
    else:
        return
    yield Check("gate_lid", score, rules.lid_score, score <= rules.lid_score)


@lru_cache(maxsize=1024)
def _may_be_wanted(code: str, wanted: tuple[str, ...]) -> bool:
    """Return whether CLD2's code is a wanted language or shares a macro-language with one.

    The gate drops only pages that are certainly in another language; CLD2 may confuse the members of a macro-language,
    such as Bokmål and Nynorsk.
    """
    stated = language_of(code)
    return stated is not None and any(stated.may_be(language) for language in map(language_of, wanted) if language)


def _wants(recipe: Recipe) -> bool:
    """Return whether the recipe restricts the language of pages to certain languages."""
    return recipe.language.enabled and bool(recipe.language.languages)
