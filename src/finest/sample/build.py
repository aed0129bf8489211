"""Build `sample.warc.gz`, the small crawl that `finest demo` refines: `python -m finest.sample.build`.

The pages were written for the sample and have the layout of Common Crawl's files: articles in many templates, listings,
spam, near and exact duplicates, eight languages, wrong and missing charsets, responses that are not pages, and three
broken records. A demo thus shows every kind of verdict and of counted loss. Every build produces identical bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from finest.sample.noise import noise, sentences
from finest.sample.prose import Article, read_articles
from finest.sample.templates import render
from finest.sample.warc_writer import Response, member, page_members, page_records, warcinfo

SAMPLE = Path(__file__).with_name("sample.warc.gz")
ADDRESSES = (
    "https://stables.example.org/sport/tent-pegging",  # a sport on horseback
    "https://floors.example.org/how-tiles-get-laid",
    "https://allotment.example.com/water-butt-pump-sucks-air",
)
"""Addresses of harmless pages that contain words from the block lists, one for each kind of word."""
LEGACY_CHARSETS = {"ru": "windows-1251", "ja": "shift_jis", "de": "iso-8859-1", "fr": "windows-1252"}
"""Charset of a language's second page, which its header does not declare."""
LOSSES = 3
"""Number of unreadable records: a corrupt member, a member without a record, a wrong Content-Length."""


def responses() -> list[Response]:
    """Return the responses of the sample's servers, in an order that mixes good and bad pages."""
    kept = [*(_html(article) for article in _english()), *_duplicates()]
    others = [*_foreign(), *_addresses(), *_not_pages(), *_noise()]
    mixed = []
    for i, other in enumerate(others):
        mixed += [*kept[i * len(kept) // len(others) : (i + 1) * len(kept) // len(others)], other]
    return mixed


def build(*, broken: bool = True) -> bytes:
    """Build the WARC; without `broken`, only with its sound records."""
    pages = responses()
    losses = iter(_broken_members(len(pages)) if broken else ())
    parts = [warcinfo("sample.warc.gz")]
    for number, response in enumerate(pages):
        if number % (len(pages) // (LOSSES + 1)) == 1:
            parts.append(next(losses, b""))
        parts += page_members(number, response)
    return b"".join(parts)


def _english() -> list[Article]:
    return [*read_articles("articles"), *read_articles("more")]


def _duplicates() -> Iterator[Response]:
    """Yield duplicates of articles: identical bytes at another address, in another template, and with small edits."""
    articles = {article.address.rsplit("/", 1)[-1]: article for article in _english()}
    for name in ("why-tides-come-twice", "lentil-soup", "old-bridge-reopens", "Drystone_wall"):
        yield Response(f"https://mirror.example.net/{name}", render(articles[name]).encode())
    for name, template in (("bread-and-bubbles", "plain"), ("first-tour", "news"), ("Water_clock", "blog")):
        yield _html(articles[name].at(f"reposts.example.com/{name}", template))
    edited = {
        "how-bees-keep-warm": (("five months", "almost half a year"), ("woe to anybody", "pity the person")),
        "library-night-opening": (("nineteen thousand", "twenty thousand"), ("until ten", "until half past ten")),
        "index-cards": (("My grandmother", "My great-aunt"),),
        "history-of-the-queue": (("Railways made", "The railways made"),),
        "error-messages": (("at two in the morning", "at three in the morning"),),
    }
    for name, changes in edited.items():
        yield _html(articles[name].edited(*changes).at(f"copies.example.org/2024/{name}"))


def _foreign() -> Iterator[Response]:
    seen: set[str] = set()
    for article in read_articles("languages"):
        code, body = article.language, render(article)
        shares: tuple[tuple[str, float], ...] | None = ((code, 0.97),)
        if code in seen:
            shares = ((code, 0.9), ("en", 0.08)) if code in ("es", "ar") else None
            body_bytes = body.replace('<meta charset="utf-8">', "").encode(LEGACY_CHARSETS.get(code, "utf-8"))
            yield Response(_url(article), body_bytes, shares, content_type="text/html")
        else:
            yield Response(_url(article), body.encode(), shares)
        seen.add(code)
    yield from _two_languages()


def _two_languages() -> Iterator[Response]:
    """Yield pages that alternate German and English, so that neither language is certain enough."""
    german, english = read_articles("languages")[:2], _english()[:2]
    for g, e in zip(german, english, strict=True):
        blocks = tuple(block for pair in zip(g.blocks, e.blocks, strict=False) for block in pair)
        both = Article(
            "blog", f"zweisprachig.example.org/{len(blocks)}-{g.address[:4]}", f"{g.title} / {e.title}", blocks
        )
        yield Response(_url(both), render(both).encode(), (("de", 0.52), ("en", 0.46)))


def _addresses() -> Iterator[Response]:
    for number, url in enumerate(ADDRESSES):
        article = Article("blog", url.removeprefix("https://"), "A harmless page", tuple(sentences(900 + number, 12)))
        yield Response(url, render(article).encode())


def _not_pages() -> Iterator[Response]:
    pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    yield Response("https://papers.example.net/report.pdf", pdf, None, "application/pdf", "application/pdf")
    yield Response(
        "https://api.example.com/items.json", b'{"items": [1, 2, 3]}', None, "application/json", "application/json"
    )
    yield Response("https://api.example.com/old.json", b'{"items": []}', None, "application/json", payload_type=None)
    yield Response("https://short.example.net/moved", b"", None, status="301 Moved Permanently")
    yield Response("https://pictures.example.org/photo", bytes(range(256)) * 4, None)


def _noise() -> Iterator[Response]:
    for url, html in noise():
        yield Response(url, html.encode())


def _html(article: Article) -> Response:
    """Return an article as a response; pages in the `plain` template are in Latin-1, as old handwritten pages were."""
    if article.template == "plain":
        return Response(
            _url(article), render(article).encode("iso-8859-1"), content_type="text/html", payload_type=None
        )
    return Response(_url(article), render(article).encode())


def _url(article: Article) -> str:
    return f"https://{article.address}"


def _broken_members(number: int) -> list[bytes]:
    """Return LOSSES members that no reader can read: flipped bytes, plain text, a Content-Length beyond the record."""
    lost = Response("https://lost.example.org/page", render(_english()[0]).encode())
    corrupt = bytearray(page_members(number, lost)[1])
    middle = len(corrupt) // 2
    corrupt[middle : middle + 32] = bytes(byte ^ 0xFF for byte in corrupt[middle : middle + 32])
    too_long = page_records(number + 1, lost)[1].replace(b"Content-Length: ", b"Content-Length: 9", 1)
    return [bytes(corrupt), member(b"This member holds no WARC record.\n"), member(too_long)]


def main() -> None:
    """Write the sample next to this module."""
    SAMPLE.write_bytes(build())


if __name__ == "__main__":
    main()
