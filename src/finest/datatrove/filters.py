"""Each stage of a recipe as a document filter, with the recipe's reasons (docs/reference/reasons.md).

All take `recipe` (a shipped name, the path of a TOML file, or a `Recipe`), `exclusion_writer` (DataTrove's) and `cache`
(the folder for lists that are built once per machine). A stage that the recipe disables passes every document.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from finest.datatrove.checks import Checks, Page, Rules, page_of_html
from finest.datatrove.reader import PAGE
from finest.errors import UsageError
from finest.recipe.recipe import Recipe

LANGUAGES = "cld2_languages"
"""Metadata key of Common Crawl's own language record, which the gate checks."""


class StageFilter(BaseFilter):
    """Base class of filters that apply a stage of a recipe; a subclass implements `reason`."""

    def __init__(
        self, recipe: str | Recipe = "fineweb", *, exclusion_writer: DiskWriter | None = None,
        cache: str | Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__(exclusion_writer)
        self.rules = Rules.of(recipe, cache)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Return True, or False with the reason of the drop, as DataTrove expects."""
        reason = self.reason(doc, self.rules.checks())
        return (False, reason) if reason else True

    @abstractmethod
    def reason(self, doc: Document, checks: Checks) -> str | None:
        """Return why the document is dropped; None if it passes."""


class PayloadFilter(StageFilter):
    """Checks HTTP status, media type, encoding and markup of `WarcPages`' pages, and sets the text to the HTML."""

    name = "📦 Finest payload"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        page: Page | None = doc.metadata.pop(PAGE, None)
        if page is None:
            raise UsageError("PayloadFilter reads documents of WarcPages; put it right after that step")
        if page.languages:
            doc.metadata[LANGUAGES] = [list(pair) for pair in page.languages]
        reason, doc.text = checks.payload(page)
        return reason


class URLFilter(StageFilter):
    """Applies FineWeb's block lists of domains, addresses and words in addresses to the metadata `url`."""

    name = "😈 Finest URL lists"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.url(doc.metadata["url"])


class LanguageGate(StageFilter):
    """Drops pages in other languages or without content cheaply before extraction. The text must be HTML."""

    name = "🚪 Finest gate"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        languages = tuple((code, share) for code, share in doc.metadata.get(LANGUAGES, ()))
        page = replace(page_of_html(b"", "https:"), languages=languages or None)
        return checks.gate(page, doc.text)


class LanguageFilter(StageFilter):
    """Identifies the language with fastText, and writes the metadata `language` and `language_score`."""

    name = "🌍 Finest language"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        reason, doc.metadata["language"], doc.metadata["language_score"] = checks.language(doc.text)
        return reason


class GopherRepetitionFilter(StageFilter):
    """Applies Gopher's rules on repeated lines, paragraphs and n-grams."""

    name = "👯 Finest Gopher repetition"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.repetition(doc.text)


class GopherQualityFilter(StageFilter):
    """Applies Gopher's rules on words, symbols and stop words."""

    name = "🥇 Finest Gopher quality"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.quality(doc.text)


class C4QualityFilter(StageFilter):
    """Applies C4's rules except the terminal punctuation rule; removes lines from the text."""

    name = "⛰ Finest C4 quality"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        reason, doc.text = checks.c4(doc.text)
        return reason


class FineWebQualityFilter(StageFilter):
    """Applies FineWeb's own rules on lines and repeated characters."""

    name = "🍷 Finest FineWeb quality"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.fineweb(doc.text)
