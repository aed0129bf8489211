"""Engine `blocks-2`: what is kept of a page's structure, in plain text and in Markdown."""

from __future__ import annotations

import pytest

from finest.recipe.extract import ExtractionLimit, structure_text, structured_text
from finest.recipe.extract.main_text import model
from finest.recipe.extract.parts import Page
from finest.recipe.extract.render import is_data, render
from finest.recipe.extract.structure import MOST_COLUMNS, read_page
from finest.recipe.extract.structured_text import above_limit, extract_structure, formats_in_python, kept
from tests.recipe.extract_pages import ARTICLE, LONG, page

CODE: dict[str, tuple[str, str]] = {
    "lines, blanks and indentation": (
        "<pre>\nfor a:\n  b  c\n\n\td&nbsp;e  \n\n</pre>", "```\nfor a:\n  b  c\n\n\td e\n```",
    ),
    "a language": ('<pre><code class="x language-C++">a</code></pre>', "```c++\na\n```"),
    "lines in elements": ("<pre><div class=line>a {</div><div>  b</div>\n<p>}</p></pre>", "```\na {\n  b\n\n}\n```"),
    "lines of code in divs": (
        "<div><div><code>if&nbsp;a:</code></div><div><code>&nbsp;&nbsp;</code><code>b</code></div></div>",
        "```\nif a:\n  b\n```",
    ),
    "lines ended by br": ("<code>\na<br>&nbsp;b<br><br>c</code>", "```\na\n b\n\nc\n```"),
    "numbers in a table": (
        "<table><tr><td class=gutter><pre>1\n2</pre><td><pre>a\nb</pre></table>", "```\na\nb\n```",
    ),
    "numbers beside lines": ("<pre><span class=lineno>1</span>a\n<span class=ln>2</span>b</pre>", "```\na\nb\n```"),
    "a list of numbers": ("<pre>a\n b<ul class=pre-numbering><li>1<li>2</ul></pre>", "```\na\n b\n```"),
    "numbers in a block": ("<pre>8\n9\n10</pre><pre>1\n3</pre>", "```\n1\n3\n```"),
    "a margin of all lines": ("<pre>\n    a\n\n      b\n    c</pre>", "```\na\n\n  b\nc\n```"),
    "margins that differ": ("<pre>\t a\n\tb</pre><pre> a\n\tb</pre>", "```\n a\nb\n```\n\n```\n a\n\tb\n```"),
    "a line each": (
        "<div><pre><span class=lnum>  1:</span>a:</pre><pre><span class=lnum>  2:</span>  b</pre></div><pre>c\nd</pre>",
        "```\na:\n  b\n```\n\n```\nc\nd\n```",
    ),
    "items of one line": ("<ul><li><pre>a</pre><li><pre>b</pre></ul>", "- ```\n  a\n  ```\n\n- ```\n  b\n  ```"),
    "lines of rows": (
        "<table>\n <tr>\n <td class=blob-num>1\n <td class=blob-code>a:</td>\n <tr>\n <td class=blob-code>  b</table>",
        "```\na:\n  b\n```",
    ),
    "lines of items": (
        "<ol><li class=li1><div class=de1>a:</div></li><li class=li2><div class=de2>&nbsp; b</div></li></ol>",
        "   ```\n   a:\n     b\n   ```",
    ),
    "a style that keeps lines": (
        "<div style='color: red; White-Space : pre'><div>a:</div><div><span>  b</span></div></div>",
        "```\na:\n  b\n```",
    ),
    "other styles": ("<div style='white-space:pre-wrap'>a\n b</div>", "a b"),
    "items are lines": ("<pre><ol><li>a<li> b</ol></pre>", "```\na\n b\n```"),
    "back quotes inside": ("<pre>a ``` b</pre>", "````\na ``` b\n````"),
    "in a line": ("<p>Call <code>f(x)</code> or <kbd>Ctrl</kbd>.</p>", "Call `f(x)` or `Ctrl`."),
    "a link in code": ("<p>See <a href=x><code>a b</code></a> now", "See `a b` now"),
    "code over a line end": ("<p>x <code>a<br>b</code></p>", "x `a`\n`b`"),
    "unclosed code": ("<div><code>a</div>b", "`a`\n\nb"),
}  # fmt: skip
LISTS: dict[str, tuple[str, str]] = {
    "depth": ("<ul><li>a<ul><li>b<ol><li>c</ol></ul><li>d</ul>", "- a\n  - b\n    1. c\n- d"),
    "numbers": ("<ol start=9><li>a<li><p>b</p><p>c</p></ol>", "9. a\n10. b\n\n   c"),
    "lists inside keep the count": ("<ol><li>a<ul><li>b</ul><li>c</ol>", "1. a\n   - b\n2. c"),
    "code in items": ("<ul><li>a<pre>b\n c</pre></ul>", "- a\n\n  ```\n  b\n   c\n  ```"),
    "definitions": ("<dl><dt>a<dd>b<dd>c<dt>d</dl>", "a\n: b\n: c\n\nd"),
    "headings": ("<h1>a<br>b</h1><h3><div>c</div></h3>", "# a b\n\n### c"),
    "quotations": ("<blockquote><p>a<br>b<blockquote>c</blockquote></blockquote>d", "> a\n> b\n\n> > c\n\nd"),
}
TABLES: dict[str, tuple[str, str]] = {
    "rows": ("<table><tr><th>a<th>b<tr><td>c<td>d|e</table>", "| a | b |\n| --- | --- |\n| c | d\\|e |"),
    "empty cells": (
        "<table><tr><th>a<th>b<th>c<tr><td><td>d<td></table>", "| a | b | c |\n| --- | --- | --- |\n|  | d |  |",
    ),
    "spans": (
        "<table><tr><th colspan=2>a<th>b<tr><td rowspan=2>c<td>d<td>e<tr><td>f<td>g</table>",
        "| a |  | b |\n| --- | --- | --- |\n| c | d | e |\n|  | f | g |",
    ),
    "lines in a cell": (
        "<table><tr><th>a<th>b<tr><td>c<br>d<td><p>e</p>f</table>",
        "| a | b |\n| --- | --- |\n| c d | e f |",
    ),
    "a caption": (
        "<table><caption>x</caption><tr><th>a<th>b<tr><td>c<td>d</table>",
        "x\n\n| a | b |\n| --- | --- |\n| c | d |",
    ),
    "text around": ("x<table><tr><td>a<td>b<tr><td>c<td>d</table>y", "x\n\n| a | b |\n| --- | --- |\n| c | d |\n\ny"),
    "layout by role": ("<table role=presentation><tr><td>a<td>b<tr><td>c<td>d</table>", "a\n\nb\n\nc\n\nd"),
    "layout around data": (
        "<table><tr><td>x<td><table><tr><td>a<td>b<tr><td>c<td>d</table><tr><td>y<td>z</table>",
        "x\n\n| a | b |\n| --- | --- |\n| c | d |\n\ny\n\nz",
    ),
    "layout of one column": ("<table><tr><td>a<tr><td>b</table>", "a\n\nb"),
}  # fmt: skip
_KATEX = (
    '<span class=katex-mathml style="display:none"><math><mi>x</mi></math></span>'
    "<span class=katex-html aria-hidden=true><span>x</span></span> b"
)
_SUM = (
    "<math><mfrac><mn>1</mn><mi>\u03b1</mi></mfrac><msqrt><mi>a</mi><mi>b</mi></msqrt><mroot><mi>c</mi><mn>3</mn></mroot>"
    "<munderover><mo>\u2211</mo><mi>i</mi><mi>n</mi></munderover><mover><mi>v</mi><mo>\u2192</mo></mover></math>"
)
_MATRIX = (
    '<math><mtable columnalign="right left"><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr><mtr><mtd>'
    "<mi>c</mi></mtd></mtr></mtable></math>"
)
_MATH = "<math><msup><mi>x</mi><mn>2</mn></msup>{}</math>"
FORMULAS: dict[str, tuple[str, str]] = {
    "MathML": (f"<p>a {_MATH.format('')} b", "a ${x}^{2}$ b"),
    "of its own line": (f"<p>a {_MATH.format('').replace('math>', 'math display=block>', 1)} b", "a\n$${x}^{2}$$\nb"),
    "an annotation": (_MATH.format('<annotation encoding="application/x-tex"> x^2 </annotation>'), "$x^2$"),
    "other annotations": (_MATH.format("<annotation encoding=Mathematica>x*x</annotation>"), "${x}^{2}$"),
    "alttext": ('<p>a <math alttext="\\alpha &lt; 1"><mi>q</mi></math>', "a $\\alpha < 1$"),
    "scripts on delimiters": (
        "<math><mo>(</mo><mo>[</mo><mo>]</mo><msub><mrow><mo>)</mo></mrow><mn>2</mn></msub><msup><mo>)</mo></msup></math>",
        "${([])}_{2})$",
    ),
    "a power of a group": (
        "<math><mo>(</mo><mi>x</mi><msup><mo>)</mo><mn>2</mn></msup></math>", "${\\left(x\\right)}^{2}$",
    ),
    "an image with line ends": ('<p><img class=tex alt="<br />\nx<br>y<b>">', "$x y<b>$"),
    "dollar signs around": ('<p><img class=tex alt="$$x$y$">', "$x$y$"),
    "images of other sites": ('<p><img src="/equation?tex=a" alt=a><img src="/c?cht=tx&chl=b" alt=b>', "$a$$b$"),
    "delimiters of MathJax": (
        "<i>a <span class=math>$x &lt; 1$</span>, <span class=math>\\(y\\)</span> $5<div class=math>\n\\[b\\]</div>",
        "a $x < 1$, $y$ $5\n\n$$b$$",
    ),
    "text of other form": (
        "<span class=math>$x</span><span class=math><b>$y$</b></span><code class=math>$z$</code><span>\\(a\\)</span>",
        "$x$y$`$z$`\\(a\\)",
    ),
    "AsciiMath": ('<p>a <script type="math/asciimath">x/2</script>', "a $x/2$"),
    "an image": ('<p>a <img class=latex alt="x_1">, <img alt="me"><img src="/mimetex.cgi?y^2">.', "a $x_1$, $y^2$."),
    "MathJax": (
        '<p>a <script type="math/tex">x < 1</script><script type="math/tex; mode=display">\\sum</script>',
        "a $x < 1$\n$$\\sum$$",
    ),
    "KaTeX": (_KATEX, "$x$ b"),
    "what MathJax drew": ("<p>a <span class=MathJax_Preview>b</span><i id=MathJax-Element-1-Frame>c</i>", "a"),
    "hidden MathML": ("<p>a<math hidden><mi>x</mi></math><math aria-hidden=true><mi>y</mi></math>", "a"),
    "fractions, roots, sums": (
        _SUM,
        "$\\frac{1}{\\alpha }\\sqrt{ab}\\sqrt[3]{c}\\sum _{i}^{n}\\stackrel{\\to }{v}$",
    ),
    "delimiters": ("<math><mo>(</mo><mi>x</mi><mo>)</mo></math>", "$\\left(x\\right)$"),
    "delimiters without partners": ("<math><mo>(</mo><mi>x</mi><mo>]</mo><mo>)</mo></math>", "$(x])$"),
    "a matrix": (_MATRIX, "$\\begin{array}{rl}a& b\\\\ c\\end{array}$"),
    "fonts and words": (
        "<math><mi mathvariant=bold>x</mi><mi>sin</mi><mi>foo</mi><mtext> for all </mtext></math>",
        "$\\mathbf{x}\\sin \\mathrm{foo}\\text{for all}$",
    ),
    "no-break spaces": (
        "<math><mtext> for&nbsp;</mtext><mi>q&nbsp;</mi><mtext> a&nbsp; b </mtext></math>",
        "$\\text{for }q\\text{a b}$",
    ),
    "missing children": ("<math><mfrac><mi>a</mi></mfrac><mrow/><msup/></math>", "$a$"),
    "math that nothing closes": ("<p>a <math><mi>x</mi><p>b", "a $x$\n\nb"),
    "MathML outside of math": ("<p><mi>a</mi><mrow>b</mrow>", "ab"),
}  # fmt: skip
OTHERS: dict[str, tuple[str, str]] = {
    "ruby": ("<ruby>\u6f22<rp>(</rp><rt>\u304b\u3093</rt><rp>)</rp></ruby>\u5b57", "\u6f22(\u304b\u3093)\u5b57"),
    "ruby without end tags": ("<ruby>a<rt>b<rb>c<rt>d</ruby>e", "a(b)c(d)e"),
    "hidden": ("<p>a<b hidden>b</b><div aria-hidden=true>c</div><div hidden id=x>d</div>", "a"),
    "streamed": ("<p>a<div hidden id=S:0><p>b</div>", "a\n\nb"),
    "documents inside": ("<div>a <html><head><style>x</style></head>b</body> c</div>", "a b c"),
    "what a head leaves open": ("<head><noscript><b></head><body>a<template><head></template>b</body>", "a\n\nb"),
    "a head without an end": ("<head><template>a<body>b", "b"),
    "shadow trees": (
        "<x-a><template shadowrootmode=Open><style>z{}</style><p>a</p><slot></slot></template>b</x-a>",
        "a\n\nb",
    ),
    "templates": (
        "a<template shadowrootmode>b<template shadowrootmode=open>c</template></template>d",
        "a\n\nd",
    ),
    "an older name of shadow trees": (
        "a<template shadowroot='closed'>b</template><template hidden shadowroot=open>c</template>",
        "a\n\nb",
    ),
    "marks of ours in a page": ("<p>a\x01b&#1;c\x04d", "a b c d".replace("b c", "bc")),
}


def read(html: str) -> Page:
    return read_page(html, model().groups)


def whole(html: str, *, markdown: bool = True) -> str:
    found = read(html)
    return render(found.shown, [True] * len(found.shown), found.tables, markdown=markdown)


@pytest.mark.parametrize("rule", [*CODE, *LISTS, *TABLES, *FORMULAS, *OTHERS])
def test_markdown(rule: str) -> None:
    """Each structure, as Markdown writes it."""
    html, expected = {**CODE, **LISTS, **TABLES, **FORMULAS, **OTHERS}[rule]
    assert whole(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<h2>a</h2><p>b <code>c</code> <math alttext='x^2'></math>", "a\nb c x^2"),
        ("<ul><li>a<ul><li>b<p>c</p></ul></ul><ol><li>d</ol>", "- a\n  - b\nc\n1. d"),
        ("<blockquote>a</blockquote><dl><dt>b<dd>c</dl>", "a\nb\nc"),
        ("<table><tr><th>a<th>b<tr><td><td>c</table>d", "a\tb\n\tc\nd"),
        ("<pre>a\n  b\n\n\n\n\nc</pre>d", "a\n  b\n\n\nc\nd"),
    ],
)
def test_plain_text(html: str, expected: str) -> None:
    """The same blocks without signs: one line a line of the page, and tabs between cells."""
    assert whole(html, markdown=False) == expected


def test_what_a_table_of_data_is() -> None:
    """Long cells lay out a page, unless the table has header cells."""
    table = "<table><tr><td>{0}<td>{1}<tr><td>c<td>d</table>"
    assert is_data(read(table.format("a", "b")).tables[0])
    assert not is_data(read(table.format("a", "x " * 301)).tables[0])
    assert is_data(read(table.format("a", "x " * 301).replace("td", "th")).tables[0])
    assert not is_data(read(table.format("a", "x " * 1001).replace("td", "th")).tables[0])


def test_spans_are_bounded() -> None:
    """A cell that claims a million columns and rows costs no more than the columns that are kept."""
    html = "<table>" + "<tr><td colspan=999999 rowspan=999999>a<td>b" * 50 + "</table>"
    assert read(html).tables[0].columns == MOST_COLUMNS
    assert len(whole(html)) < 50 * 4 * MOST_COLUMNS + 1000


def test_long_formulas_are_left_out() -> None:
    """TeX of nested elements grows with depth; past the limit there is no formula, and depth is bounded."""
    deep = "<math>" + "<mfrac>" * 10_000 + "<mi>x</mi>" * 30_000 + "</math>"
    assert len(whole(f"<p>a{deep}b")) < 70_000
    assert whole("<p>a<math>" + "<mtext>xxxxxxxxx</mtext>" * 10_000 + "</math>b") == "ab"


def test_work_is_bounded_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many end tags under many open elements ends with ExtractionLimit, whatever the machine."""
    monkeypatch.setattr(structure_text, "MOST_STEPS", 10_000)
    html = "<div>" * 200 + "</p></li></em></ul>" * 20
    assert formats_in_python(html, (False,)) == ("",)
    with pytest.raises(ExtractionLimit, match="steps"):
        formats_in_python(html * 2, (False,))


def test_the_main_text_keeps_its_structure() -> None:
    """Code between paragraphs of an article stays, boilerplate goes."""
    html = page(f"<div class=post><h1>{LONG[:40]}</h1>{ARTICLE}<pre>a:\n  b</pre>{ARTICLE}</div><footer>c</footer>")
    text, markdown = extract_structure(html), extract_structure(html, markdown=True)
    assert text is not None and markdown is not None
    assert "\na:\n  b\n" in text and "\n\n```\na:\n  b\n```\n\n" in markdown
    assert extract_structure("<p> ") is None


@pytest.mark.parametrize("tag", ["noscript", "noframes"])
def test_text_without_scripts_or_frames_is_taken_if_there_is_no_other(tag: str) -> None:
    """Forums that scripts draw have their posts in `<noscript>`; beside a main text that would be a repetition."""
    html = page(f"<div>Loading</div><{tag}><body><div class=post>{ARTICLE}</div></body></{tag}>")
    text = extract_structure(html)
    assert text is not None and LONG.strip() in text
    both = page(f"<div class=post>{ARTICLE}</div><{tag}><div class=post>{ARTICLE}</div></{tag}>")
    text = extract_structure(both)
    assert text is not None and text.count(LONG.strip()) == ARTICLE.count(LONG.strip())


def test_tables_and_gaps_are_decided_as_wholes() -> None:
    """A table is kept or dropped by the mean of its characters, a gap by its sum, code by a limit of its own."""
    found = read("a<p>b<p>c<table><tr><td>dddd<td>e<tr><td>f<td>g</table>h<pre>i\nj</pre>")
    texts = [part.text for part in found.shown]
    assert texts == ["a", "b", "c", "dddd", "e", "f", "g", "h", "i\nj"]

    def chosen(*numbers: int) -> str:
        keep = kept(found.shown, found.tables, numbers)
        return "".join(part.text[0] for part, is_main in zip(found.shown, keep, strict=True) if is_main)

    rest = (-900, -900, -900, -900, -900)
    assert chosen(100, -100, 100, *rest, -900) == "abc"
    assert chosen(100, structured_text.GAP_LIMIT, 100, *rest, -900) == "ac"
    assert chosen(-900, -900, -900, 300, -800, -800, -800, -900, -900) == "defg"
    assert chosen(-900, -900, -900, 300, -900, -900, -900, -900, -900) == ""
    assert chosen(-900, -900, -900, *rest, structured_text.CODE_LIMIT + 1) == "i"


def test_the_limit_depends_on_how_sure_the_model_is_of_the_page() -> None:
    """It is half of what the mean score of main text is above SURE, or 3/2 of what it is below; code has its own."""
    found = read("a<p>bbbb<p>c<pre>i\nj</pre>").shown
    assert above_limit(found, (500, 1000, -10, -100)) == [275, 775, -235, -100]
    assert above_limit(found, (100, 100, -10, -100)) == [625, 625, 515, -100]
    assert above_limit(found, (structured_text.SURE,) * 4) == [structured_text.SURE] * 4
    assert above_limit(found, (5000, 5000, 1, -100))[0] == 5000 - structured_text.HIGHEST_LIMIT
    assert above_limit(found, (-900, -300, -900, -100)) == [-300, 300, -300, -100]
    assert above_limit([], []) == []


def test_formulas_have_a_limit_of_their_own() -> None:
    """A block of which half is formulas, or that has an environment of TeX, is seldom boilerplate."""
    found = read("<p><math alttext='x^2'></math><p><math alttext='x^2'></math> abcd")
    low = structured_text.FORMULA_LIMIT
    assert kept(found.shown, found.tables, (low + 1, low + 1)) == [True, False]
    assert kept(found.shown, found.tables, (low, 1)) == [False, True]
    drawn = read(r"<p>As follows: \begin{align} a &amp;= b \end{align}").shown
    assert kept(drawn, [], (low + 1,)) == [True]


def test_half_a_surrogate_pair_is_an_error() -> None:
    """It could be neither hashed nor written."""
    with pytest.raises(UnicodeEncodeError):
        extract_structure(f"<p>{LONG}\ud800")
