"""The compiled core's reading of blocks gives the Python path's text: on written, fuzzed, random and real pages."""

from __future__ import annotations

import gzip
import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native
from finest.recipe.extract import ExtractionLimit, bounded
from finest.recipe.extract.blocks import MOST_OPEN
from finest.recipe.extract.main_text import extract_blocks, extract_in_python
from tests.deep import examples, parts, sampled
from tests.recipe.extract_pages import LONG, PAGES
from tests.recipe.native.fuzz import Html, outcome
from tests.recipe.test_blocks import RULES
from tests.recipe.test_extract_equal import pages_of

GUIDED = json.loads(gzip.decompress((Path(__file__).parent / "guided_html.json.gz").read_bytes()))
"""Pages that a run of fuzz.py came to: few that go wherever all went in the core."""
PIECES = (
    "<p>", "<div hidden>", "<span hidden>", "<span>", "</span>", '<p style=" Display : NONE ">', "<a hidden href=x>",
    "<b aria-hidden=True>", "</b>", "<p hidden>", "<img hidden>", "<div class='nav has-share'>",
    '<li class="comment" hidden>', "<li>", "<ul>", "<table>",
    "<tr>", "<td>", "<td hidden>", "<pre>", "<a href=x>", "<h2 id=Title>", "<svg>", "<svg/>", "<script>", "<textarea>",
    "</p>", "</div>", "</li>", "</ul>", "</table>", "</tr>", "</td>", "</pre>", "</a>", "</svg>", "</script>", "<br>",
    "<!--", "-->", "<![CDATA[", "<", ">", "'", '"', "&", "&amp", "&notit;", "&#65;", "&#x1f600", "&#0;", "&#13;",
    "the sea, ", "The end. ", "日本、", "。", "\n", "\t", " ", "\0", "\x0b", "\x85", "\xa0", "\u200b", "\u3000",
    "\ufeff", LONG,
)  # fmt: skip
pytestmark = pytest.mark.usefixtures("core")
PARTS = 48
"""The Python path takes half a minute for the pages of a WARC."""
BOTH = Html() if native.core() is not None else None


def assert_equal(html: str) -> None:
    assert BOTH is not None
    assert outcome(BOTH.by_core, html) == outcome(BOTH.in_python, html), html


@pytest.mark.parametrize("html", [*PAGES.values(), *(html for html, _ in RULES.values())])
def test_written_pages(html: str) -> None:
    """Whatever a page of the tests holds, core and Python path end at the same text."""
    assert_equal(html)


def test_guided_pages() -> None:
    """Broken markup of all kinds changes nothing about that."""
    for html in GUIDED:
        assert_equal(html)


@settings(max_examples=examples(40, 3_000))
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_random_pages(html: str) -> None:
    """Pages that nobody thought of give one text on both paths, with every weight told."""
    assert_equal(html)


@pytest.mark.corpus
@pytest.mark.slow
@parts(PARTS)
@pytest.mark.parametrize("name", sampled(["mix-00.warc.gz", "en-00.warc.gz"]))
def test_real_pages(corpus: Path, name: str, part: int) -> None:
    """Every page has one text on both paths."""
    for html in pages_of(corpus / name, part, PARTS):
        assert_equal(html)


@pytest.mark.parametrize(
    "hidden", ["<ul><li hidden>{0}<li{1}>{0}</ul>", "<table><tr><td hidden>{0}<td{1}>{0}</table>",
               "<dl><dt hidden>{0}<dd{1}>{0}</dl>"]
)  # fmt: skip
@pytest.mark.parametrize("attribute", ["", " hidden", " class=comment", ' style="display:none"'])
def test_what_ends_a_hidden_element_has_attributes_of_its_own(hidden: str, attribute: str) -> None:
    """A list item that ends a hidden one may be hidden, and has its names."""
    assert_equal(hidden.format(LONG, attribute))


def test_a_page_that_raises() -> None:
    """Both paths let the same exception escape, and the next page is read as ever."""
    for extract in (extract_blocks, extract_in_python):
        with pytest.raises(UnicodeEncodeError):
            extract(f"<p>{LONG}</p>\ud800")
        assert extract(f"<p>{LONG}</p>") == LONG.strip()


@pytest.mark.parametrize("body", ["<li>", "x</ul>"])
def test_the_limit_holds_inside_the_core(body: str) -> None:
    """The core looks at the clock as often as it reads some thousand tags, even where no text has references."""
    html = "<div>" * MOST_OPEN + body * 1_000_000

    def cost_s(limit_s: float) -> float:
        begun_s = time.process_time()
        with suppress(ExtractionLimit):
            bounded(extract_blocks, html, limit_s)
        return time.process_time() - begun_s

    extract_blocks(html)
    assert cost_s(0.002) < cost_s(100) / 3


@pytest.mark.nightly
def test_more_references_than_are_kept() -> None:
    """Thousands of different ones: each stands for what it stands for."""
    assert_equal("".join(f"<p>&#{number}; &#{number}x &amp{number};" for number in range(160, 9_000)))
