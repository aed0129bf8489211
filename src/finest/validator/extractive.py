"""Check for unknown recipes: whether a row's text is taken from its page, in order, and from nowhere else.

The page's visible text is everything that resiliparse extracts from it, in document order: all text except scripts and
styles, with alternative texts and form fields. Both texts are split into words (runs of letters and digits; single
characters in Chinese, Japanese and Korean), in lower case and Unicode's form NFKC. Spaces, punctuation and marks that
an extractor adds (bullets, table rules) therefore do not count. A word of the row's text is taken from the page if it
is in a run of RUN words that is contiguous in the page too, and if these runs follow the page's order; the longest such
series counts. Placeholders for e-mail and IP addresses are removed from the row's text, and the addresses from the
page's.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from typing import TYPE_CHECKING, Literal

from resiliparse.extract.html2text import extract_plain_text

from finest.recipe import pii
from finest.recipe.decode import html_of
from finest.recipe.recipe import DecodeRules, PayloadRules, PiiRules

if TYPE_CHECKING:
    from finest.recipe.page import Page

RUN = 4
"""Words per run: enough that common phrases do not cover a foreign text, and few enough for the fragments of a
paragraph that extractors keep."""
MIN_SHARE = 0.8
"""Minimum share of a row's words that must be taken from its page. Of 1,264 rows that trafilatura made of real pages
0.24 % have less (it takes text from a page's hidden data), of 1,170 of resiliparse's no row has less, of 785 of engine
`blocks-1` 0.13 %; a page's own words in another order have at most 0.08."""
MAX_PLACES = 8
"""Positions of one run in a page that are tried: the first ones. A page that repeats a run more often is a list."""

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_STAND_INS = re.compile("|".join(re.escape(word) for word in (*pii._EMAILS, *pii._IPS)))
_ALL_PII = PiiRules(emails=True, ips=True)


def visible_text(page: Page, reading: Literal["standard", "datatrove"] = "standard") -> str:
    """Return all text that a reader of the page may see, decoded as `reading` says; empty if its bytes are not text."""
    html = html_of(page, PayloadRules(reading=reading), DecodeRules(encoding=reading))
    if html is None:
        return ""
    shown: str = extract_plain_text(
        html, preserve_formatting=False, main_content=False, list_bullets=False, alt_texts=True, links=False,
        form_fields=True, noscript=True, comments=True,
    )  # fmt: skip
    return shown


def extractive_share(text: str, visible: str) -> float:
    """Return the share of the text's words in runs that the visible text has too, in its order; 1 for an empty text."""
    wanted, shown = words(text), words(visible)
    if not wanted:
        return 1.0
    run = min(RUN, len(wanted))
    covered = bytearray(len(wanted))
    for at in _longest_series(_matches(wanted, shown, run)):
        covered[at : at + run] = b"\1" * run
    return sum(covered) / len(wanted)


def words(text: str) -> list[str]:
    """Split a text into the words that are compared."""
    text = _STAND_INS.sub(" ", pii.redact(text, _ALL_PII))
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def _matches(wanted: list[str], shown: list[str], run: int) -> list[tuple[int, int]]:
    """Return (text position, page position) of equal runs; for each text position, later page positions come first."""
    places: dict[tuple[str, ...], list[int]] = {tuple(wanted[at : at + run]): [] for at in range(len(wanted) - run + 1)}
    for at in range(len(shown) - run + 1):
        found = places.get(tuple(shown[at : at + run]))
        if found is not None and len(found) < MAX_PLACES:
            found.append(at)
    found_at = (places[tuple(wanted[at : at + run])] for at in range(len(wanted) - run + 1))
    return [(at, place) for at, many in enumerate(found_at) for place in reversed(many)]


def _longest_series(matches: list[tuple[int, int]]) -> list[int]:
    """Return text positions of the longest series of matches ascending in both (Hunt and Szymanski, CACM 20, 1977)."""
    ends: list[int] = []
    holders: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(matches):
        length = bisect.bisect_left(ends, place)
        before.append(holders[length - 1] if length else -1)
        ends[length : length + 1], holders[length : length + 1] = [place], [number]
    series: list[int] = []
    at = holders[-1] if holders else -1
    while at >= 0:
        series.append(matches[at][0])
        at = before[at]
    return series
