"""The recipe's stages as functions of a text, an address or a page: the steps' only interface to `finest.recipe`.

A step holds a recipe and a cache folder, which can be pickled. Each process loads models and lists once, when its first
document arrives.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from finest.api.pages import default_cache, page_of_html, recipe_of
from finest.errors import UsageError
from finest.recipe import words
from finest.recipe.judge import Verdict, judge
from finest.recipe.page import Page
from finest.recipe.recipe import Recipe
from finest.recipe.stage import Stage
from finest.recipe.stages.c4 import C4
from finest.recipe.stages.fineweb import FINEWEB
from finest.recipe.stages.gate import CLD2_GATE, TEXT_GATE
from finest.recipe.stages.http import HTTP
from finest.recipe.stages.language import LANGUAGE
from finest.recipe.stages.payload import ENCODING, MARKUP, PAYLOAD
from finest.recipe.stages.quality import QUALITY
from finest.recipe.stages.repetition import REPEATED_LINES, REPEATED_NGRAMS
from finest.recipe.stages.url import URL
from finest.recipe.state import PageState
from finest.recipe.toolbox import toolbox

__all__ = ["Checks", "Page", "Rules", "Verdict", "page_of_html"]


_NO_PAGE = Page("", "", "", b"")
"""The page of a stage that looks only at the text."""


class Rules(NamedTuple):
    """The rules of a step: a recipe, and the folder for lists that are built once per machine."""

    recipe: Recipe
    cache: Path | None

    @classmethod
    def of(cls, recipe: str | Recipe, cache: str | Path | None) -> Rules:
        """Build the rules from a step's arguments; raises RecipeError for a recipe that cannot be loaded."""
        return cls(recipe_of(recipe), Path(cache) if cache else None)

    def checks(self) -> Checks:
        """Return the stages with their tools, cached for this process."""
        key = self.recipe.hash, self.cache
        if key not in _loaded:
            _loaded[key] = Checks(self.recipe, self.cache or default_cache())
        return _loaded[key]


_loaded: dict[tuple[str, Path | None], Checks] = {}
"""Cache of the stages with their tools, by recipe hash and cache folder."""


class Checks:
    """The stages of one recipe; each returns the reason of the drop, or None if the document passes."""

    def __init__(self, recipe: Recipe, cache: Path) -> None:
        self.recipe, self._cache = recipe, cache
        self._tools = toolbox(recipe, cache)
        self._last: tuple[str, words.Words] | None = None

    def verdict(self, page: Page) -> Verdict:
        """Judge a page by the whole recipe."""
        return judge(page, self.recipe, self._cache)

    def payload(self, page: Page) -> tuple[str | None, str]:
        """Apply the stages that read a page; also returns its HTML."""
        state = PageState(page)
        return self._reason(state, HTTP, PAYLOAD, ENCODING, MARKUP), state.html

    def url(self, address: str) -> str | None:
        """Apply the block lists of addresses."""
        return self._reason(PageState(replace(_NO_PAGE, url=address)), URL)

    def gate(self, page: Page, html: str) -> str | None:
        """Apply the cheap checks that safely drop pages before extraction."""
        return self._reason(PageState(page, html=html), CLD2_GATE, TEXT_GATE)

    def language(self, text: str) -> tuple[str | None, str | None, float | None]:
        """Apply language identification; also returns the best language and its probability."""
        state = PageState(_NO_PAGE, text=text)
        return self._reason(state, LANGUAGE), state.language, state.language_score

    def _require_one_language(self) -> None:
        """Raise UsageError if the rules depend on a page's language, which a single stage does not know."""
        if self.recipe.language.table:
            raise UsageError(
                f"the filters of recipe {self.recipe.name} depend on the page's language; use RecipeFilter, or "
                "DataTrove's own filters with their language"
            )

    def repetition(self, text: str) -> str | None:
        """Apply Gopher's repetition rules."""
        self._require_one_language()
        state = PageState(_NO_PAGE, text=text)
        reason = self._reason(state, REPEATED_LINES, REPEATED_NGRAMS)
        self._last = None if state.words is None else (text, state.words)
        return reason

    def quality(self, text: str) -> str | None:
        """Apply Gopher's quality rules, to the words that the repetition rules counted if they saw the same text."""
        self._require_one_language()
        known = self._last[1] if self._last is not None and self._last[0] == text else None
        return self._reason(PageState(_NO_PAGE, text=text, words=known or self._tools.tokenizer.words(text)), QUALITY)

    def c4(self, text: str) -> tuple[str | None, str]:
        """Apply C4's rules; also returns the text with the lines that they keep."""
        self._require_one_language()
        state = PageState(_NO_PAGE, text=text)
        return self._reason(state, C4), state.text

    def fineweb(self, text: str) -> str | None:
        """Apply FineWeb's own rules."""
        self._require_one_language()
        return self._reason(PageState(_NO_PAGE, text=text), FINEWEB)

    def _reason(self, state: PageState, *stages: Stage[Any]) -> str | None:
        """Run the stages in order; returns the reason of the first check that fails."""
        for stage in stages:
            for check in stage.run(state, self._tools.rules[stage.section], self._tools):
                if check.failed:
                    return check.reason
        return None
