"""Read the prose that was written for the sample, `pages/*.txt`, as articles.

An article begins with a line `=== template host/path | title`, or `=== template@de host/path | title` in another
language than English; empty lines separate its blocks. A block is a heading (`## `), a list (each line `- `), a table
(each line `| `), an answer (`> `), or a paragraph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources

LANGUAGE_TEMPLATES = ("de", "fr", "es", "zh", "ru", "ar", "ja")
"""Templates of bare pages, each named after the language of its articles."""
LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "zh", "ja")
"""The languages of `pages/languages/`."""


@dataclass(frozen=True, slots=True)
class Article:
    """A piece of prose with its address and the template in which it is rendered."""

    template: str
    address: str
    title: str
    blocks: tuple[str, ...]
    language: str = "en"

    @property
    def text(self) -> str:
        return "\n\n".join(self.blocks)

    def at(self, address: str, template: str | None = None) -> Article:
        """Return the article at another address and, if given, in another template."""
        return replace(self, address=address, template=template or self.template)

    def edited(self, *changes: tuple[str, str]) -> Article:
        """Return the article with words replaced; raise ValueError if the text does not contain the words."""
        text = self.text
        for old, new in changes:
            if old not in text:
                raise ValueError(f"{self.address} does not hold {old!r}")
            text = text.replace(old, new)
        return replace(self, blocks=tuple(text.split("\n\n")))


def read_articles(name: str) -> list[Article]:
    """Return the articles of `pages/<name>.txt` in order."""
    text = (resources.files("finest.sample") / "pages" / f"{name}.txt").read_text(encoding="utf-8")
    return [_article(part) for part in text.split("=== ") if part.strip()]


def _article(part: str) -> Article:
    head, _, body = part.partition("\n")
    place, _, title = head.partition(" | ")
    kind, _, address = place.partition(" ")
    template, _, code = kind.partition("@")
    blocks = tuple(block.strip() for block in body.strip().split("\n\n"))
    language = code or (template if template in LANGUAGE_TEMPLATES else "en")
    return Article(template, address, title.strip(), blocks, language)
