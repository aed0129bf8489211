"""The compiled core's reading of structure gives the Python path's text: on written, fuzzed, random and real pages."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native
from finest.recipe.extract import ExtractionLimit, extract_structure
from finest.recipe.extract.blocks import MOST_OPEN
from finest.recipe.extract.structure_text import MOST_STEPS
from finest.recipe.extract.structured_text import formats_in_python
from tests.deep import examples, parts, sampled
from tests.recipe.extract_pages import LONG, PAGES
from tests.recipe.native.fuzz import Structure, outcome
from tests.recipe.native.test_blocks import GUIDED, PIECES
from tests.recipe.test_blocks import RULES
from tests.recipe.test_extract_equal import pages_of
from tests.recipe.test_structure import CODE, FORMULAS, LISTS, OTHERS, TABLES

pytestmark = pytest.mark.usefixtures("core")
BOTH = Structure() if native.core() is not None else None
WRITTEN = [html for html, _ in {**CODE, **LISTS, **TABLES, **FORMULAS, **OTHERS}.values()]
MORE = (
    *PIECES, "<math>", "</math>", "<mi>", "</mi>", "<mo>(</mo>", "<mfrac>", "</mfrac>", "<msup>", "</msup>",
    "<mtable columnalign='left r'>", "<mtr>", "<mtd>", "</mtr>", "</mtd>", "</mtable>", "<mrow/>", "<munder>",
    "<mi mathvariant=bold>x</mi>", "<annotation encoding=TeX>", "</annotation>", "<mo>\u2211</mo>",
    "<mtext> a b</mtext>",
    "<code>", "</code>", "<pre>", "</pre>", "<pre class='language-Py lineno'>", "<ruby>", "<rt>", "<rp>", "</rp>",
    "</ruby>", "<noscript>", "</noscript>", "<ol start=7>", "</ol>", "<dl>", "<dd>", "</dl>", "<blockquote>",
    "</blockquote>", "<td colspan=3 rowspan=2>", "<th>", "<td class=gutter>", "<table role=presentation>",
    "<img class=tex alt='x&lt;y'>", "<img src=/latex.php?a>", "<script type='math/tex; mode=display'>",
    "<div hidden id=S:1>", "<span class=katex-mathml style='display:none'>", "<i id=MathJax-Element-3>",
    "<math alttext='a_b'>", "<math display=block>", "1\n2\n3", "&nbsp;&nbsp;", "<br><br>", "|", "```", "\\left",
    "\\right", "{", "}", "<caption>", "<h1>", "</h1>", "1", "\n\n\n\n", "<td class=blob-code>", "<div class='de1'>",
    "<div style='white-space: pre'>", "  ", "\n    ", "<span class=math>", "<div class=math-container>", "$$", "$x$",
    "\\(x\\)", "</html>", "<head>", "<img class=tex alt='<br />$x$'>", "<msub>", "</msub>", "<mo>)</mo>", "\\begin{",
)  # fmt: skip
PARTS = 64
"""The Python path takes a minute for the pages of a WARC."""


def assert_equal(html: str) -> None:
    assert BOTH is not None
    assert outcome(BOTH.by_core, html) == outcome(BOTH.in_python, html), html


@pytest.mark.parametrize("html", [*WRITTEN, *PAGES.values(), *(html for html, _ in RULES.values())])
def test_written_pages(html: str) -> None:
    """Whatever a page of the tests holds, core and Python path end at the same text in both formats."""
    assert_equal(html)


def test_guided_pages() -> None:
    """Broken markup of all kinds changes nothing about that."""
    for html in GUIDED:
        assert_equal(html)


@settings(max_examples=examples(40, 3_000))
@given(st.lists(st.sampled_from(MORE), max_size=50).map("".join))
def test_random_pages(html: str) -> None:
    """Pages that nobody thought of give one text on both paths."""
    assert_equal(html)


def mutated(html: str, chance: random.Random) -> str:
    """A part of a page with some of it repeated, cut out, or replaced by pieces."""
    at = chance.randrange(max(1, len(html) - 100))
    html = html[at : at + chance.choice((300, 1500, 5000))]
    for _ in range(chance.randrange(12)):
        at, other = sorted(chance.randrange(len(html) + 1) for _ in range(2))
        cut = html[other : other + 40] if chance.random() < 0.3 else "".join(chance.choices(MORE, k=2))
        html = html[:at] + cut + html[at + chance.randrange(40) * (chance.random() < 0.3) :]
    return html


@pytest.mark.corpus
def test_mutated_pages(corpus: Path) -> None:
    """Real pages with their markup broken give one text on both paths."""
    paths = sorted((corpus / "structure").glob("*.html.gz"))
    pages = [gzip.decompress(path.read_bytes()).decode("utf-8", "replace") for path in paths]
    chance = random.Random(7)
    for _ in range(examples(60, 10_000)):
        assert_equal(mutated(chance.choice(pages), chance))


@pytest.mark.corpus
@pytest.mark.slow
@parts(PARTS)
@pytest.mark.parametrize("name", sampled(["mix-00.warc.gz", "en-00.warc.gz"]))
def test_real_pages(corpus: Path, name: str, part: int) -> None:
    """Every page has one text on both paths."""
    for html in pages_of(corpus / name, part, PARTS):
        assert_equal(html)


def test_both_paths_count_the_same_steps() -> None:
    """A page at the limit has a text, and with one more end tag it has none; so it is on the Python path."""
    html = "<div>" * MOST_OPEN + f"<p>{LONG}" + "</li>" * (MOST_STEPS // MOST_OPEN)
    assert extract_structure(html)
    for extract in (extract_structure, lambda html: formats_in_python(html, (False,))):
        with pytest.raises(ExtractionLimit, match=f"{MOST_STEPS} steps"):
            extract(html + "</li>")


@pytest.mark.parametrize("char", ["", "\xe9", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff"])
def test_characters_of_every_width(char: str) -> None:
    """The core reads a page in UTF-8, whatever the width of its characters and wherever they stand."""
    for before in range(10):
        assert_equal(f"<p>{'a' * before}{char}{'b' * (9 - before)}{char * 3} {LONG}")


def test_half_a_surrogate_pair_is_an_error_on_both_paths() -> None:
    """The next page is read as ever."""
    for extract in (extract_structure, lambda html: formats_in_python(html, (False,))[0]):
        with pytest.raises(UnicodeEncodeError):
            extract(f"<p>{LONG}</p>\ud800")
        assert extract(f"<p>{LONG}</p>") == LONG.strip()
