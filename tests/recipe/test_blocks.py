"""Engine `blocks-1`: how a page becomes blocks, and which of them are its main text."""

from __future__ import annotations

import hashlib
from importlib import resources

import pytest

from finest.recipe.extract import extract_blocks
from finest.recipe.extract.blocks import MOST_OPEN, Block, read_blocks
from finest.recipe.extract.main_text import (
    extract_in_python,
    feature_count,
    features,
    model,
    text_of,
)
from finest.recipe.extract.tags import FLAGS, KINDS
from tests.recipe.extract_pages import ARTICLE, LONG, PAGES, links, page

RULES: dict[str, tuple[str, list[str]]] = {
    "a hidden paragraph ends where it may": ("<p hidden>a<p>b<p hidden>c<div>d</div>", ["b", "d"]),
    "hidden elements inside lines": ("<p>a <span hidden>b<span>c</span>d</span>e<b aria-hidden=TRUE>f</b>", ["a e"]),
    "styles that hide, in any case and spacing": (
        "a<i style='color:red; DISPLAY :\t None'>b</i><i style='visibility:hidden!'>c</i><i style=display:nones>d",
        ["ad"],
    ),
    "a hidden element ends with what it stands in": ("<div><span hidden>a</div>b", ["b"]),
    "a hidden element ends with its paragraph": ("<p>a<span hidden>b</p>c<p><x-y hidden>d<div>e", ["a", "c", "e"]),
    "hidden formatting does not": ("<p>a<B hidden>b</p>c<p>d</b>e", ["a", "e"]),
    "a hidden item ends at the next": ("<ul><li hidden>a<li>b</ul>", ["b"]),
    "a hidden link": ("<a hidden href=x>a</a>b", ["b"]),
    "hidden until it is found": ("<td hidden=until-found>a</td><td>b", ["b"]),
    "what is not hidden": ("<p aria-hidden=false>a<details><summary>b</summary>c</details>", ["a", "b", "c"]),
    "void elements hide nothing": ("<input type=hidden hidden>a<img hidden>b<hr hidden>c", ["ab", "c"]),
    "blocks end where elements do": ("a<p>b<div>c</div>d<b>e</b>", ["a", "b", "c", "de"]),
    "white space is one space": ("<p> a \t\n b\xa0\u2003c </p>", ["a b c"]),
    "controls are white space, but NUL is nothing": ("<p>a\x00b\x1fc\x7fd", ["ab c d"]),
    "what shows nothing is dropped": ("<p>so\xadft\u200b\ufeff\u2060er", ["softer"]),
    "one br ends a line": ("<p>a<br>b", ["a\nb"]),
    "two end a block": ("<p>a<br> &nbsp; <br/>b<br>c", ["a", "b\nc"]),
    "an end tag of br is one": ("<p>a</br>b", ["a\nb"]),
    "entities": ("<p>&lt;b&gt; &amp;amp; &#8364;&#x20AC;&euro; &notit; &copy2026", ["<b> &amp; €€€ ¬it; ©2026"]),
    "no entities": ("<p>a & b &; &# &#x; &zzz; R&D", ["a & b &; &# &#x; &zzz; R&D"]),
    "numbers that are no characters": ("<p>a&#xD800;b&#x110000;c&#1;d&#0;&#x80;", ["a\ufffdb\ufffdcd\ufffd€"]),
    "numbers of more than 32 digits are no characters": (
        f"<p>&#{'0' * 30}65;&#{'0' * 31}65;&#x{'0' * 30}41;&#x{'0' * 31}41;&#{'9' * 5000}z", ["A\ufffdA\ufffd\ufffdz"],
    ),
    "a lone less-than is text": ("<p>1 < 2 <3 a<", ["1 < 2 <3 a<"]),
    "comments": ("<p>a<!-- <p>b --> c<!--> d<!---> e", ["a c d e"]),
    "a comment that nothing closes ends with its tag": ("<p>a<!-- b > c", ["a c"]),
    "declarations and instructions": ("<!DOCTYPE html><?php x ?><p>a<![CDATA[b]]>c", ["ac"]),
    "end tags of nothing": ("<p>a</>b</ c>d</3>e", ["abde"]),
    "a page that ends in a tag": ("<p>a<div class='b", ["a"]),
    "a page that ends in an end tag": ("<p>a</div b", ["a"]),
    "scripts and styles": ("<p>a<script>b</p>'</scrip>'</SCRIPT >c<style>p{}</style>d", ["acd"]),
    "a script that nothing ends takes the rest": ("<p>a<script>b<p>c", ["a"]),
    "graphics": ("<p>a<svg><text>b</text></svg>c<svg/>d<svg>e", ["acde"]),
    "navigation, footers, asides": (
        "<nav>a</nav><p>b<aside><p>c</aside>d<footer><div>e</div></footer><noscript>f</noscript>g", ["b", "d", "g"],
    ),
    "skipped up to what ends around it": ("<div><nav>a<p>b</div>c", ["c"]),
    "hidden": ("<div hidden>a</div><div aria-hidden=true>b</div><p>c<div aria-hidden=false>d</div>", ["c", "d"]),
    "hidden by style": ("<div style='x; display: none'>a</div><div style='display:none'>b</div>c", ["c"]),
    "a hidden body is shown": ("<body hidden>a", ["a"]),
    "quotes hold tags": ("<p title='>' class=\">\" id=a>b", ["b"]),
    "quotes that nothing closes do not": ("<p>a<p title=\"x>b<p title='y>c", ["a", "b", "c"]),
    "odd attributes": ("<p = a== 'b' /c\"=d/>e<p/f>g", ["e", "g"]),
    "tags in any case": ("<DIV>a</diV><P>b", ["a", "b"]),
    "names that only look like tags": ("<p>a<bloc\u212aquote>b<divx>c</divx>", ["abc"]),
    "lines of pre": ("<pre>\n  a  b\n\n\t c\r\n</pre>", ["  a b\n\t c"]),
    "cells and rows": ("<table><tr><td>a<td>b<tr><th>c</th></table>", ["a", "b", "c"]),
    "a cell keeps an end tag inside": ("<div><table><td>a</div>b</table>c</div>", ["a", "b", "c"]),
    "no text": ("<p> &nbsp;\xad<img src=a>", []),
}  # fmt: skip


def blocks(html: str) -> list[Block]:
    return read_blocks(html, model().groups)


@pytest.mark.parametrize("rule", RULES)
def test_rules_of_reading(rule: str) -> None:
    """How markup, references and white space are read."""
    html, texts = RULES[rule]
    assert [block.text for block in blocks(html)] == texts


def test_what_a_block_is() -> None:
    """Its kind, its links, the elements and the names around it."""
    html = '<article class="post"><header id=site-menu><h2 class="c">Ab <a href="/">cd e</a></h2></header>x</article>'
    heading, rest = blocks(html)
    assert (heading.text, heading.chars, heading.linked) == ("Ab cd e", 5, 3)
    assert KINDS[heading.kind] == "heading"
    assert heading.flags == 1 << FLAGS.index("article") | 1 << FLAGS.index("header")
    groups = model().groups
    assert heading.names == groups["menu"] | groups["site"]
    assert (rest.kind, rest.flags, rest.names) == (0, 1 << FLAGS.index("article"), groups["post"])


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ('class="SideBar x"', "sidebar side bar"), ('class="article-BODY2"', "article body"), ("ID=Nav", "nav"),
        ('class="has-sidebar no-menu"', ""), ("role=navigation", "navigation"),
        ("itemprop=articleBody", "article body"), ('data-class="menu"', ""), ('class="menuitem"', ""),
    ],
)  # fmt: skip
def test_names_are_read_word_by_word(attributes: str, words: str) -> None:
    """Words begin at capitals and signs; names that deny what follows say nothing."""
    groups = model().groups
    expected = 0
    for word in words.split():
        expected |= groups.get(word, 0)
    (block,) = blocks(f"<div {attributes}>text</div>")
    assert block.names == expected


def test_only_links_that_lead_somewhere_are_links() -> None:
    """An anchor that nothing closes is none, and no link reaches out of the element that it began in."""
    anchor, inside, outside = blocks('<p>a<a name=x>b</p><div><a href="/">cd</div><p>ef')
    assert (anchor.linked, inside.linked, outside.linked) == (0, 2, 0)


def test_lists_and_tables_are_written_as_such() -> None:
    """An item begins with a dash though its text lies deeper; cells of a row stand side by side."""
    found = blocks("<ul><li><p>a</p>b<li>c</ul>d<li></li><p>e<table><tr><td>f<td>g<td><p>h</p><td>i<tr><td>j</table>")
    assert text_of(found, [True] * len(found)) == "- a\nb\n- c\nd\ne\nf\tg\nh\ni\nj"
    without_f = [block.text != "f" for block in found]
    assert text_of(found, without_f).endswith("e\ng\nh\ni\nj")


def test_deep_pages_are_read_to_their_end() -> None:
    """Past the elements that are kept in mind, text still counts."""
    deep = "<div>" * (4 * MOST_OPEN) + "<p>a</p>" + "</div>" * (4 * MOST_OPEN) + "<p>b"
    assert [block.text for block in blocks(deep)] == ["a", "b"]


def test_the_model_is_the_one_of_that_name() -> None:
    """Other weights or words give other texts, and are another engine with another name."""
    data = resources.files("finest.recipe.extract").joinpath("blocks.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "568b483d0c152839878091319700c3464d6ae192cbe514ee521cd867bbbf69db"
    groups = len(set(model().groups.values()))
    assert len(model().weights) == feature_count(groups) + 1
    found = features(blocks(PAGES["article"]))
    assert all(0 <= number < feature_count(groups) for row in found for number in row)


def test_the_main_text_is_found() -> None:
    """The article, without what stands around it."""
    around = f"<div class=menu><ul>{''.join(f'<li>{link}' for link in links(9).split('  '))}</ul></div>"
    html = page(f"{around}<div class=post>{ARTICLE}</div><div class=footer><p>{links(3)}</p></div>")
    text = extract_blocks(html)
    assert text is not None
    assert text.startswith(LONG.strip()) and text.endswith("of the people.")
    assert "Go there" not in text


@pytest.mark.parametrize("html", ["", "<html></html>", "  "])
def test_no_text_is_none(html: str) -> None:
    """A page without text has no text, rather than an empty one."""
    assert extract_blocks(html) is None
    assert extract_in_python(html) is None


def test_half_a_surrogate_pair_is_an_error() -> None:
    """It could be neither hashed nor written."""
    for extract in (extract_blocks, extract_in_python):
        with pytest.raises(UnicodeEncodeError):
            extract(f"<p>{LONG}\ud800")
