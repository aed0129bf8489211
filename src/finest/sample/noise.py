"""The bad pages of the sample, like most pages of a crawl: one function for each reason to drop a page.

Each function takes a number and returns a page's HTML, always the same page for the same number. Sentences and words
come from the sample's own prose, out of their original order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from random import Random

from finest.sample.prose import Article, read_articles
from finest.sample.templates import render

TOWNS = ("Aldbury", "Brackwell", "Corran", "Dunmere", "Elsworth", "Farleigh", "Gorsewood", "Harrowby", "Inchley")
GOODS = ("garden hose", "folding chair", "rain barrel", "desk lamp", "tool box", "bread bin", "door mat", "wall clock")
TRADES = ("plumber", "locksmith", "roofer", "glazier", "gardener", "tiler", "painter", "electrician")
CHORUS = ("very good", "very very good", "it is very good indeed")
LATIN = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris."
)


@cache
def _stock() -> tuple[str, ...]:
    """Return every plain sentence of the English prose."""
    paragraphs = [b for a in (*read_articles("articles"), *read_articles("more")) for b in a.blocks if b[0].isalpha()]
    found = [s for b in paragraphs for s in re.split(r"(?<=\.) (?=[A-Z])", b)]
    return tuple(s for s in found if 40 <= len(s) <= 160 and s.endswith(".") and '"' not in s)


@cache
def _vocabulary(shortest: int, longest: int) -> tuple[str, ...]:
    """Return every word of the prose with `shortest` to `longest` letters, in alphabetical order."""
    return tuple(sorted({w for s in _stock() for w in re.findall(r"[a-z]+", s) if shortest <= len(w) <= longest}))


def _spread(stock: tuple[str, ...], number: int, count: int) -> list[str]:
    """Return `count` items of `stock` that are far apart; different numbers give different items."""
    return [stock[(number * 61 + i * 37) % len(stock)] for i in range(min(count, len(stock)))]


def _groups(items: list[str], size: int) -> list[list[str]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def sentences(number: int, count: int) -> list[str]:
    """Return plain English sentences that are unrelated to each other."""
    return _spread(_stock(), number, count)


def page(title: str, lines: list[str], template: str = "blog") -> str:
    """Render finished lines as a page in one of the prose templates."""
    return render(Article(template, f"{title.lower().replace(' ', '-')}.example.com", title, tuple(lines)))


def link_farm(number: int) -> str:
    """Return a page that consists only of links."""
    rng = Random(f"links {number}")
    names = [f"{rng.choice(TRADES)} {i}" for i in range(180)]
    links = "".join(f'<a href="http://{rng.choice(TOWNS).lower()}.example.net/{n}">{n}</a> | ' for n in names)
    return f"<html><head><title>Links {number}</title></head><body><div class='links'>{links}</div></body></html>"


def pictures(number: int) -> str:
    """Return a picture gallery without text."""
    images = "".join(f'<img src="/photos/{number}/{i}.jpg" width="640" height="480">' for i in range(30))
    return f"<html><head><title>Gallery</title></head><body><div id='gallery'>{images}</div></body></html>"


def shop_listing(number: int) -> str:
    """Return a grid of products with prices; every second shop also shows the quantity in stock."""
    rng = Random(f"listing {number}")
    stock = "<p>In stock: few</p>" if number % 2 else ""
    tiles = "".join(
        f"<div class='tile'><h3>The {rng.choice(GOODS)} of {rng.choice(TOWNS)}</h3><p>EUR {i}.95</p>"
        f"<p>Item no. {rng.randint(10000, 99999)} / {i}</p>{stock}</div>"
        for i in range(60)
    )
    return f"<html><head><title>Offers {number}</title></head><body><h1>Offers</h1><main>{tiles}</main></body></html>"


def headlines(number: int) -> str:
    """Return a listing of teasers without a full stop."""
    return page("All headlines", [s.removesuffix(".") for s in sentences(number, 24)], "news")


def keyword_spam(number: int) -> str:
    """Return search terms without the function words of real sentences."""
    words = _spread(_vocabulary(6, 10), number, 160)
    return page("Best price", [" ".join(line) + "." for line in _groups(words, 16)])


def doorway(number: int) -> str:
    """Return a page that repeats one sentence, each time with another town."""
    rng, trade = Random(f"doorway {number}"), TRADES[number % len(TRADES)]
    promise = "call our friendly team today and we will be with you in less than an hour"
    return page(trade, [f"If you need a {trade} in {rng.choice(TOWNS)} {i}, {promise}." for i in range(20)])


def repeated_lines(number: int) -> str:
    """Return a page in which every second line is the same."""
    notice = "Please read the notice above with care."
    return page("Notices", [line for s in sentences(number, 12) for line in (s, notice)])


def repeated_paragraphs(number: int) -> str:
    """Return a page with the same text pasted three times."""
    return page("Our history", [" ".join(sentences(number, 6))] * 3 + sentences(number + 50, 2))


def repeated_phrase(number: int) -> str:
    """Return a page that repeats a few phrases, like paid reviews."""
    chorus = " ".join([CHORUS[number % len(CHORUS)]] * 6)
    return page("Reviews", [f"{s} {chorus}." for s in sentences(number, 8)])


def repeated_sentence(number: int) -> str:
    """Return a page in which one line appears twice."""
    said = sentences(number, 16)
    return page("Printed twice", [*said, said[number]])


def lorem_ipsum(number: int) -> str:
    """Return a page whose template still contains placeholder text."""
    said = sentences(number, 12)
    return page("Our new site", [*said[:8], LATIN, *said[8:]])


def code(number: int) -> str:
    """Return a tutorial with curly brackets in its text."""
    said = sentences(number, 12)
    snippet = f"Write function total(list) {{ return list.length * {number}; }} and call it once for each row."
    return page("A first function", [*said[:8], snippet, *said[8:]])


def script_notice(number: int) -> str:
    """Return a page that shows nothing without scripts."""
    notice = f"<p>Please enable JavaScript to use application {number}. It is required for this page to work.</p>"
    body = f"<div id='root'></div><noscript>{notice}</noscript><script src='/app.js'></script>"
    return f"<html><head><title>App {number}</title></head><body>{body}</body></html>"


def too_short(number: int) -> str:
    """Return a page with one or two sentences."""
    moved = f"This page was moved to the new site on day {number} of the month, and the old one will be removed soon."
    return page("Moved", [moved] if number % 2 else sentences(number, 2))


def tiny(number: int) -> str:
    """Return HTML that is too short to contain any text."""
    return f"<html><body><p>It works! {number}</p></body></html>"


def numbers(number: int) -> str:
    """Return a table of numbers with a few words."""
    rng = Random(f"numbers {number}")
    starts = [" ".join(s.split()[:4]) for s in sentences(number, 24)]
    figures = [" ".join(str(rng.randint(10, 9999)) for _ in range(7)) for _ in starts]
    return page("Daily figures", [f"{start} {row}." for start, row in zip(starts, figures, strict=True)])


def long_words(number: int) -> str:
    """Return a page of sentences without short words."""
    words = _spread(_vocabulary(10, 30), number, 96)
    return page("Statement", [" ".join(line).capitalize() + "." for line in _groups(words, 8)])


def teasers(number: int) -> str:
    """Return a page of lines that end abruptly."""
    return page("Latest posts", [s.removesuffix(".") + "..." for s in sentences(number, 14)])


def bullets(number: int) -> str:
    """Return a page that consists of one long list."""
    return page("Our range", ["\n".join(f"- {s}" for s in sentences(number, 22))])


def hashtags(number: int) -> str:
    """Return a page of remarks that end in hashtags."""
    tags = iter(_spread(_vocabulary(5, 9), number, 80))
    return page("Posts", [f"{s} " + " ".join(f"#{next(tags)}" for _ in range(6)) for s in sentences(number, 12)])


def verse(number: int) -> str:
    """Return a page of sentences that are broken into short lines."""
    words = [word for s in sentences(number, 10) for word in s.split()]
    return page("Song", [" ".join(line) for line in _groups(words, 4)])


def catalogue(number: int) -> str:
    """Return a page with three long words per line, so that it has more line breaks than sentences."""
    lines = _groups(_spread(_vocabulary(8, 11), number, 180), 3)
    for i, line in enumerate(lines):
        if i % 6 == 0:
            line[0] = ("that", "with", "have")[i // 6 % 3]
        if i % 5 == 0:
            line[-1] += "."
    return page("Directory", [" ".join(line) for line in lines])


def few_sentences(number: int) -> str:
    """Return a page of fewer than five long sentences."""
    said = [s.removesuffix(".") for s in sentences(number, 12)]
    return page("In brief", [", while ".join(four) + "." for four in _groups(said, 4)])


MAKERS: tuple[tuple[Callable[[int], str], int], ...] = (
    (link_farm, 5), (pictures, 3), (shop_listing, 6), (headlines, 4), (keyword_spam, 4), (doorway, 4),
    (repeated_lines, 3), (repeated_paragraphs, 2), (repeated_phrase, 3), (repeated_sentence, 3), (lorem_ipsum, 2),
    (code, 3), (script_notice, 3), (too_short, 4), (tiny, 3), (numbers, 3), (long_words, 1),
    (teasers, 2), (bullets, 2), (hashtags, 1), (verse, 2), (catalogue, 1), (few_sentences, 2),
)  # fmt: skip
"""Each function, with the number of its pages in the sample."""


def noise() -> Iterator[tuple[str, str]]:
    """Yield (URL, HTML) of every bad page."""
    for maker, count in MAKERS:
        name = maker.__name__.replace("_", "-")
        for number in range(count):
            yield f"https://{name}.example.com/{name}/{number + 1}", maker(number)
