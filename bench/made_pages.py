"""Write a WARC of made pages in ten languages: `python -m bench.made_pages OUT.warc.gz --language de,ja --pages 200`.

The pages have sentences of the sample's prose, each page others in another order, in the sample's templates. Every
fifth one is of a kind that filters look for: repeated lines, cut sentences, lists, a few words, figures and addresses.
They are for languages of which the corpus has too few real pages, and results with them have to say so.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tests.languages_made import write_warc

from finest.sample.build_languages import drawn, response_of
from finest.sample.prose import LANGUAGES, Article
from finest.sample.warc_writer import Response

TEMPLATES = ("blog", "news", "magazine", "forum", "shop", "encyclopedia")
UNSPACED = ("zh", "ja")
"""Languages that are written without spaces between sentences."""


def page(code: str, number: int) -> Response:
    """Return made page `number` of a language."""
    kind = KINDS[number // 5 % len(KINDS)] if number % 5 == 4 else prose
    blocks = kind(code, number)
    title = drawn(code, number, 1)[0]
    address = f"{code}{number}.example.org/page"
    return response_of(Article(TEMPLATES[number % len(TEMPLATES)], address, title, tuple(blocks), code))


def prose(code: str, number: int) -> list[str]:
    """Return paragraphs of three to five sentences, twelve to forty in all."""
    said, size = drawn(code, 1000 + number, 12 + number % 29), 3 + number % 3
    gap = "" if code in UNSPACED else " "
    return [gap.join(said[at : at + size]) for at in range(0, len(said), size)]


def repeated(code: str, number: int) -> list[str]:
    """Return sentences with one of them after every, every second, third or fourth other."""
    again, *said = drawn(code, 2000 + number, 16)
    step = 1 + number // 25 % 4
    return [line for n, one in enumerate(said) for line in ((one, again) if n % step == 0 else (one,))]


def cut(code: str, number: int) -> list[str]:
    """Return beginnings of sentences that end in dots."""
    return [
        f"{one[: len(one) // 2]}{'...' if n % 4 <= number // 25 % 4 else '.'}"
        for n, one in enumerate(drawn(code, number, 20))
    ]


def listed(code: str, number: int) -> list[str]:
    """Return a list, and a paragraph."""
    said = drawn(code, 3000 + number, 14)
    return ["\n".join(f"- {one}" for one in said[:10]), *said[10:]]


def short(code: str, number: int) -> list[str]:
    """Return one to four sentences."""
    return drawn(code, 4000 + number, 1 + number % 4)


def figures(code: str, number: int) -> list[str]:
    """Return sentences with figures, addresses, symbols and characters that the last steps repair."""
    said = drawn(code, 5000 + number, 12)
    more = ("12.345,67 €", "info@example.net", "8.8.8.8", "# # #", "| |", "schÃ¶n", "http://example.org/a?b=1")
    return [f"{one} {more[n % len(more)]} {number * 17 + n}" for n, one in enumerate(said)]


KINDS: tuple[Callable[[str, int], list[str]], ...] = (repeated, cut, listed, short, figures)


def main() -> None:
    """Write the WARC."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--language", default=",".join(LANGUAGES), metavar="CODES")
    parser.add_argument("--pages", type=int, default=200, help="Pages of each language.")
    options = parser.parse_args()
    codes = options.language.split(",")
    write_warc(options.out, [page(code, number) for number in range(options.pages) for code in codes])


if __name__ == "__main__":
    main()
