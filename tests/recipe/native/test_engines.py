"""The compiled core's text of a page is the Python path's, for engines `blocks-1` and `blocks-2`.

It is so on written, fuzzed, random and real pages, with weights under which every block and every feature tells.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native
from tests.deep import examples, parts, sampled
from tests.recipe.extract_pages import LONG, PAGES
from tests.recipe.native.fuzz import Html, Structure, outcome
from tests.recipe.test_blocks import RULES
from tests.recipe.test_extract_equal import pages_of
from tests.recipe.test_structure import CODE, FORMULAS, LISTS, OTHERS, TABLES

pytestmark = pytest.mark.usefixtures("core")
GUIDED = json.loads(gzip.decompress((Path(__file__).parent / "guided_html.json.gz").read_bytes()))
"""Pages that a run of fuzz.py came to: few that go wherever all went in the core."""
WRITTEN = [*PAGES.values(), *(html for html, _ in RULES.values())]
STRUCTURED = [html for html, _ in {**CODE, **LISTS, **TABLES, **FORMULAS, **OTHERS}.values()]
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
MORE_PIECES = (
    *PIECES, "<math>", "</math>", "<mi>", "</mi>", "<mo>(</mo>", "<mfrac>", "</mfrac>", "<msup>", "</msup>",
    "<mtable columnalign='left r'>", "<mtr>", "<mtd>", "</mtr>", "</mtd>", "</mtable>", "<mrow/>", "<munder>",
    "<mi mathvariant=bold>x</mi>", "<annotation encoding=TeX>", "</annotation>", "<mo>\u2211</mo>",
    "<mtext> a b</mtext>", "<mtext>a&nbsp;</mtext>",
    "<code>", "</code>", "<pre>", "</pre>", "<pre class='language-Py lineno'>", "<ruby>", "<rt>", "<rp>", "</rp>",
    "</ruby>", "<noscript>", "</noscript>", "<ol start=7>", "</ol>", "<dl>", "<dd>", "</dl>", "<blockquote>",
    "</blockquote>", "<td colspan=3 rowspan=2>", "<th>", "<td class=gutter>", "<table role=presentation>",
    "<img class=tex alt='x&lt;y'>", "<img src=/latex.php?a>", "<script type='math/tex; mode=display'>",
    "<div hidden id=S:1>", "<span class=katex-mathml style='display:none'>", "<i id=MathJax-Element-3>",
    "<math alttext='a_b'>", "<math display=block>", "1\n2\n3", "&nbsp;&nbsp;", "<br><br>", "|", "```", "\\left",
    "\\right", "{", "}", "<caption>", "<h1>", "</h1>", "1", "\n\n\n\n", "<td class=blob-code>", "<div class='de1'>",
    "<div style='white-space: pre'>", "  ", "\n    ", "<span class=math>", "<div class=math-container>", "$$", "$x$",
    "\\(x\\)", "</html>", "<head>", "<img class=tex alt='<br />$x$'>", "<msub>", "</msub>", "<mo>)</mo>", "\\begin{",
    "</head>", "<body>", "<template>", "<template shadowrootmode=open>",
    "<template shadowroot=x shadowrootmode=closed>", "</template>", "<noframes>", "</noframes>",
)  # fmt: skip
PARTS = 256
"""The Python path takes a minute for the pages of a WARC."""
ENGINES = ("blocks-1", "blocks-2")
_PATHS = {"blocks-1": Html(), "blocks-2": Structure()} if native.core() is not None else {}


def assert_equal(engine: str, html: str) -> None:
    both = _PATHS[engine]
    assert outcome(both.by_core, html) == outcome(both.in_python, html), html


@pytest.mark.parametrize("html", [*WRITTEN, *STRUCTURED])
def test_written_pages(html: str) -> None:
    """Whatever a page of the tests holds, core and Python path end at the same text."""
    for engine in ENGINES:
        assert_equal(engine, html)


def test_guided_pages() -> None:
    """Broken markup of all kinds changes nothing about that."""
    for html in GUIDED:
        for engine in ENGINES:
            assert_equal(engine, html)


@settings(max_examples=examples(100, 3_000))
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_random_pages(html: str) -> None:
    """Pages that nobody thought of give one text on both paths."""
    for engine in ENGINES:
        assert_equal(engine, html)


@settings(max_examples=examples(100, 3_000))
@given(st.lists(st.sampled_from(MORE_PIECES), max_size=50).map("".join))
def test_random_structure(html: str) -> None:
    """So do those with all that `blocks-2` knows, in both formats."""
    assert_equal("blocks-2", html)


@pytest.mark.corpus
@pytest.mark.slow
@parts(PARTS)
@pytest.mark.parametrize("name", sampled(["mix-00.warc.gz", "en-00.warc.gz"]))
@pytest.mark.parametrize("engine", ENGINES)
def test_real_pages(corpus: Path, engine: str, name: str, part: int) -> None:
    """Every page has one text on both paths."""
    for html in pages_of(corpus / name, part, PARTS):
        assert_equal(engine, html)
