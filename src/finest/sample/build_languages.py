"""Build `languages.warc.gz`, the small crawl in ten languages: `python -m finest.sample.build_languages`.

For each language it has articles of six kinds (blog, news, recipe, forum, shop, encyclopedia), a copy of one of them in
another template, and pages that the filters of FineWeb-2 drop. A few English pages show that they are left out. Every
build produces identical bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

from finest.sample.boilerplate import boilerplate_of
from finest.sample.prose import LANGUAGES, Article, read_articles
from finest.sample.templates import render
from finest.sample.warc_writer import Response, page_members, warcinfo

LANGUAGE_SAMPLE = Path(__file__).with_name("languages.warc.gz")
_END = re.compile(r"(?<=[.!?]) |(?<=[。！？])")


def build() -> bytes:
    """Build the WARC."""
    parts = [warcinfo(LANGUAGE_SAMPLE.name)]
    for number, response in enumerate(responses()):
        parts += page_members(number, response)
    return b"".join(parts)


def responses() -> list[Response]:
    """Return the pages of all languages by turns, as in a crawl, and English ones between them."""
    pages = [list(_pages(code)) for code in LANGUAGES]
    english = [response_of(article) for article in read_articles("articles")[:8]]
    return [page for turn in zip(*pages, english, strict=True) for page in turn]


def articles_in(code: str) -> list[Article]:
    """Return the articles that were written in a language."""
    return read_articles(f"languages/{code}")


@cache
def sentences_in(code: str) -> tuple[str, ...]:
    """Return the plain sentences of a language's articles."""
    blocks = (block.removeprefix("> ") for article in articles_in(code) for block in article.blocks)
    found = (s.strip() for block in blocks if block[0] not in "-|" for s in _END.split(block))
    return tuple(dict.fromkeys(s for s in found if s and s[-1] in ".。"))


def drawn(code: str, number: int, count: int) -> list[str]:
    """Return `count` sentences of a language; another number gives other sentences, in another order."""
    return Random(f"{code} {number}").sample(sentences_in(code), count)


def response_of(article: Article) -> Response:
    """Return a page with an article, as a server of its language gives it."""
    return Response(f"https://{article.address}", render(article).encode(), ((article.language, 0.97),))


def _pages(code: str) -> Iterator[Response]:
    """Yield eight pages: six that are kept and two that are not."""
    articles = articles_in(code)
    yield from map(response_of, articles)
    yield response_of(articles[0].at(f"abschrift-{code}.example.net/1", "magazine"))
    yield response_of(_bad(code))


def _bad(code: str) -> Article:
    """Return a page of a kind that the filters drop, another kind for every language in turn."""
    kinds = (_repeated, _teasers, _short, _consent)
    place = LANGUAGES.index(code)
    return Article("blog", f"rest-{code}.example.com/{place}", drawn(code, 1, 1)[0], kinds[place % 4](code), code)


def _repeated(code: str) -> tuple[str, ...]:
    """Return paragraphs that say one thing again and again."""
    once, again = drawn(code, 2, 10), drawn(code, 3, 1)[0]
    return tuple(line for sentence in once for line in (sentence, again))


def _teasers(code: str) -> tuple[str, ...]:
    """Return the beginnings of sentences, each cut off by three dots, as lists of news show them."""
    return tuple(f"{sentence[: 2 * len(sentence) // 3]}..." for sentence in drawn(code, 4, 24))


def _short(code: str) -> tuple[str, ...]:
    """Return one sentence alone."""
    return tuple(drawn(code, 5, 1))


def _consent(code: str) -> tuple[str, ...]:
    """Return nothing but the question for consent, once for every partner of the site."""
    words = boilerplate_of(Article("blog", "", "", (), code))
    return tuple(f"{n}. {words.cookies} {words.accept} / {words.necessary}" for n in range(1, 30))


def main() -> None:
    """Write the WARC next to this module."""
    LANGUAGE_SAMPLE.write_bytes(build())


if __name__ == "__main__":
    main()
