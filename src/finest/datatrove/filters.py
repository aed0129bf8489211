"""Each stage of a recipe as a filter of documents; a drop's reason is the recipe's own (docs/reference/reasons.md).

All take `recipe` (a shipped name, the path of a TOML file, or a `Recipe`), `exclusion_writer` (DataTrove's) and `cache`
(the folder for lists that are built once per machine). A stage that the recipe switches off lets everything pass.
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
"""Key of the metadata for Common Crawl's own language record, which the gate looks at."""


class StageFilter(BaseFilter):
    """A filter that asks a recipe. For a filter of your own, write `reason` and call it for what it wraps."""

    def __init__(
        self, recipe: str | Recipe = "fineweb", *, exclusion_writer: DiskWriter | None = None,
        cache: str | Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__(exclusion_writer)
        self.rules = Rules.of(recipe, cache)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """True, or False with the reason of the drop, as DataTrove asks."""
        reason = self.reason(doc, self.rules.checks())
        return (False, reason) if reason else True

    @abstractmethod
    def reason(self, doc: Document, checks: Checks) -> str | None:
        """Why the document is dropped; None where it passes."""


class PayloadFilter(StageFilter):
    """Reads the pages of `WarcPages`: HTTP status, media type, encoding, markup. The text becomes the page's HTML."""

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
    """FineWeb's block lists of domains, addresses and words in addresses; looks at the metadata `url`."""

    name = "😈 Finest URL lists"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.url(doc.metadata["url"])


class LanguageGate(StageFilter):
    """Cheap sure drops before extraction: pages in other languages, pages without content. The text is HTML."""

    name = "🚪 Finest gate"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        languages = tuple((code, share) for code, share in doc.metadata.get(LANGUAGES, ()))
        page = replace(page_of_html(b"", "https:"), languages=languages or None)
        return checks.gate(page, doc.text)


class LanguageFilter(StageFilter):
    """fastText language identification; writes the metadata `language` and `language_score`."""

    name = "🌍 Finest language"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        reason, doc.metadata["language"], doc.metadata["language_score"] = checks.language(doc.text)
        return reason


class GopherRepetitionFilter(StageFilter):
    """Gopher's rules on repeated lines, paragraphs and n-grams."""

    name = "👯 Finest Gopher repetition"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.repetition(doc.text)


class GopherQualityFilter(StageFilter):
    """Gopher's rules on words, symbols and stop words."""

    name = "🥇 Finest Gopher quality"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.quality(doc.text)


class C4QualityFilter(StageFilter):
    """C4's rules without the terminal punctuation rule; takes lines out of the text."""

    name = "⛰ Finest C4 quality"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        reason, doc.text = checks.c4(doc.text)
        return reason


class FineWebQualityFilter(StageFilter):
    """FineWeb's own rules on lines and repeated characters."""

    name = "🍷 Finest FineWeb quality"

    def reason(self, doc: Document, checks: Checks) -> str | None:
        return checks.fineweb(doc.text)
