"""The recipe's stages as functions of a text, an address or a page: the steps' only interface to `finest.recipe`.

A step holds a recipe and a cache folder, which can be pickled. Each process loads models and lists once, when its first
document arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from finest.api.pages import default_cache, page_of_html, recipe_of
from finest.recipe import c4, fineweb, gate, gopher, language, url, words
from finest.recipe.bounds import check_markup
from finest.recipe.check import Check
from finest.recipe.decode import decode
from finest.recipe.judge import Verdict, judge
from finest.recipe.page import Page
from finest.recipe.payload import PayloadTooLarge, Undecodable, is_wanted_status, read_message, read_response
from finest.recipe.recipe import Recipe

__all__ = ["Checks", "Page", "Rules", "Verdict", "page_of_html"]


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
        self._last: tuple[str, words.Words] | None = None

    @cached_property
    def _tokenizer(self) -> words.Tokenizer:
        return words.Tokenizer()

    @cached_property
    def _urls(self) -> url.UrlLists:
        return url.UrlLists.open(self._cache)

    @cached_property
    def _model(self) -> language.LanguageModel:
        rules = self.recipe.language
        model = language.LanguageModel.load(language.model_path(rules.model, self._cache), rules.model_sha256)
        language.require_languages(model, rules)
        return model

    def verdict(self, page: Page) -> Verdict:
        """Judge a page by the whole recipe."""
        return judge(page, self.recipe, self._cache)

    def payload(self, page: Page) -> tuple[str | None, str]:
        """Apply the stages that read a page; also returns its HTML."""
        rules = self.recipe.payload
        message = read_message(page, rules)
        if rules.statuses and not is_wanted_status(message.status, rules):
            return "http_status", ""
        if page.record_type not in rules.records:
            return "payload_record", ""
        try:
            response = read_response(page, message, rules)
        except Undecodable:
            return "payload_coding", ""
        except PayloadTooLarge:
            return "payload_too_large", ""
        if not response.body:
            return "payload_empty", ""
        if len(response.body) > rules.max_bytes:
            return "payload_too_large", ""
        if response.type not in rules.types:
            return "payload_type", ""
        html = decode(response, self.recipe.decode).text
        if html is None:
            return "payload_encoding", ""
        return _first(check_markup(html, self.recipe.limits)), html

    def url(self, address: str) -> str | None:
        """Apply the block lists of addresses."""
        check = url.check_url(address, self._urls, self.recipe.url) if self.recipe.url.enabled else None
        return check.reason if check else None

    def gate(self, page: Page, html: str) -> str | None:
        """Apply the cheap checks that safely drop pages before extraction."""
        return _first(gate.cld2_gate(page, self.recipe)) or _first(gate.text_gate(page, html, self.recipe, self._model))

    def language(self, text: str) -> tuple[str | None, str, float]:
        """Apply language identification; also returns the best language and its probability."""
        best, score = self._model.best(text)
        rules = self.recipe.language
        checks = [language.check_language(text, best, score, self._model, rules)] if rules.enabled else []
        return _first(checks), best, score

    def repetition(self, text: str) -> str | None:
        """Apply Gopher's repetition rules."""
        rules = self.recipe.gopher_repetition
        return _first(gopher.repetition(text, self._words(text), rules)) if rules.enabled else None

    def quality(self, text: str) -> str | None:
        """Apply Gopher's quality rules."""
        rules = self.recipe.gopher_quality
        return _first(gopher.quality(text, self._words(text), rules)) if rules.enabled else None

    def c4(self, text: str) -> tuple[str | None, str]:
        """Apply C4's rules; also returns the text with the lines that they keep."""
        if not self.recipe.c4.enabled:
            return None, text
        cleaned = c4.clean(text, self._tokenizer, self.recipe.c4)
        return _first(cleaned.checks), text if cleaned.text is None else cleaned.text

    def fineweb(self, text: str) -> str | None:
        """Apply FineWeb's own rules."""
        rules = self.recipe.fineweb
        return _first(fineweb.fineweb_quality(text, self._tokenizer, rules)) if rules.enabled else None

    def _words(self, text: str) -> words.Words:
        """Return the words of a text, cached because two consecutive filters need those of the same text."""
        if self._last is None or self._last[0] != text:
            self._last = text, self._tokenizer.words(text)
        return self._last[1]


def _first(checks: Iterable[Check] | Iterator[Check]) -> str | None:
    return next((check.reason for check in checks if check.failed), None)
