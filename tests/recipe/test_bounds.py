"""What a page's markup costs is counted before a parser sees it, on both paths alike."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe import native
from finest.recipe.bounds import ELEMENTS, MOST_COLUMNS, MOST_NAMES, MOST_OPEN, check_markup, markup_of, read_markup
from finest.recipe.extract import extract_trafilatura
from finest.recipe.recipe import LimitRules
from tests.deep import examples

TAGS = [*ELEMENTS, "my-element", "TD", "path", "é", "x\u0130"]
PIECES = st.one_of(
    st.builds(
        "<{}{}>".format,
        st.sampled_from(["x你", "x好", "font", "b"]),
        st.sampled_from(["", " a=你", " a=好", " a=é", " a=ÿ"]),
    ),
    st.builds("</{}>".format, st.sampled_from(["x你", "x好", "x1", "xé"])),
    st.builds("<{}{}>".format, st.sampled_from(TAGS), st.sampled_from(["", "/", " a", " a=b", ' a="', " colspan=7"])),
    st.builds("</{}>".format, st.sampled_from(TAGS)),
    st.sampled_from(
        ["<!--", "-->", "--!>", "<!-->", "<!", "<?", "</", "<", ">", "'", '"', "=", "/", " ", "\0", "é", "x", "\ud800"]
    ),
)
DEEP = {
    "divs": ("<div>", 1), "lists": ("<ul><li>item ", 2), "unclosed spans in paragraphs": ("<p><span><div>", 1),
    "end tags out of scope": ("<div><table><tr><td></div>", 4), "misnested formatting": ("<b><i></b>", 1),
    "blocks in formatting": ("<b><div></b>", 1), "blocks in lines": ("<span><div></span>", 2),
    "items around sections": ("<li><section>", 2), "lists in items": ("<li><ul></li>", 2),
    "unknown elements that close themselves": ("<foo/>", 1), "any name once": (None, 1),
}  # fmt: skip


@settings(max_examples=examples(80, 1_000))
@given(st.lists(PIECES, max_size=50).map("".join))
def test_core_and_python_count_alike(html: str) -> None:
    """Whatever is broken in a page, both paths come to the same counts."""
    assert markup_of(html) == read_markup(html)


@pytest.mark.parametrize("name", DEEP)
def test_no_way_of_nesting_hides_its_depth(name: str) -> None:
    """What nests for a parser nests here, up to where nobody counts any more."""
    piece, least = DEEP[name]
    html = "".join(piece or f"<x{n}>" for n in range(300))
    assert read_markup(html) == markup_of(html)
    assert read_markup(html).depth >= 300 * least
    assert markup_of(html * 100).depth == MOST_OPEN


@pytest.mark.parametrize(
    "piece",
    ["<p>text", "<li>text", "<dt>a<dd>b", "<option>", "<br><img><hr><input>", "<tr><td>a<td>b", "<a href=x>link ",
     "<h1>a<h2>b", "<svg><path/><g></g></svg>", "<script><div><div></script>", "<!-- <div> -->", "<title><b></title>",
     "<i a='<div><div>'></i>", "<button>", "<my-element></my-element>", "<b><i></b></i>", "<ul><li>a<li>b</ul>"],
)  # fmt: skip
def test_sound_markup_does_not_nest(piece: str) -> None:
    """Ends that HTML lets authors leave out are not counted as depth."""
    assert markup_of("<table>" * piece.startswith("<tr>") + piece * 300).depth <= 8


def test_attributes_of_one_tag() -> None:
    """The tag with most counts; the parsers put those of all <html> and <body> tags on one element."""
    assert markup_of("<p a b=1 c='>' d=\">\" e=>x</p f>").attributes == 5
    assert markup_of("<p " + " ".join(f"a{n}" for n in range(700)) + ">").attributes == 700
    assert markup_of("".join(f"<body a{n}>" for n in range(700))).attributes == 700


def test_attributes_of_all_tags_cost_as_tags_do() -> None:
    """A page of many tags, each with fewer attributes than the limit of one, has its limit too."""
    assert markup_of("<p a b=1>x</p><br c='<d>'></p e f>").tags == 2 + 3 + 1


def test_an_end_tag_of_any_other_name_ends_nothing() -> None:
    """Neither names past the limit nor those of characters that are read as one can hide depth."""
    names = "".join(f"<x{n}></x{n}>" for n in range(MOST_NAMES))
    for html in (names + "<y></z>" * 300, "<x你></x好>" * 300, "<p><font size=你><p><font size=好>" * 300):
        assert read_markup(html) == markup_of(html)
        assert markup_of(html).depth >= 300


def test_formatting_that_is_opened_again_counts() -> None:
    """Each paragraph opens again what formatting the ones before left open; the same one is not told apart."""
    left_open = "".join(f"<p><font size={n}>" for n in range(100))
    assert markup_of(left_open).depth == 101
    assert markup_of(left_open + "<p>" * 1000).tags > 99_000
    assert markup_of("<p><font size=2>" * 1000).tags < 5_100
    assert markup_of("<table>" + "<tr><td><font size=2>a<td><font size=3>b" * 500).depth < 8


def test_names_past_the_limit_are_one() -> None:
    """Elements of too many names cannot be told apart: they are open until something around them ends."""
    html = "".join(f"<x{n}></x{n}>" for n in range(MOST_NAMES + 100))
    assert read_markup(html) == markup_of(html)


def test_wide_cells_cost_what_the_standard_allows() -> None:
    """A cell that spans 300 million columns is one of a thousand; with it, the text is as short as the page."""
    rows = "<tr><td>The first cell holds words enough.</td><td>The second cell too.</td></tr>" * 3
    page = "<html><body><article><p>{}</p><table><tr><td colspan={}>Head</td></tr>{}</table></article></body></html>"
    words = "The mill stood by the river for many years. " * 20
    text = extract_trafilatura(page.format(words, 300_000_000, rows))
    assert text == extract_trafilatura(page.format(words, MOST_COLUMNS, rows))
    assert text is not None
    assert len(text) < 10 * MOST_COLUMNS
    forbidden = page.format(words, 300_000_000, rows).replace("Head", "He\x01ad")
    assert len(extract_trafilatura(forbidden) or "") < 10 * MOST_COLUMNS
    assert markup_of("<table>" + "<tr><td colspan=9999999>" * 50).cells == 50 * MOST_COLUMNS


def test_each_limit_has_its_reason() -> None:
    """The first limit that a page passes names it."""
    rules = LimitRules(tags=100, attributes=10, depth=20, nesting=400, cells=50)
    pages = {
        "payload_tags": "<b></b>" * 101, "payload_attributes": "<b a b c d e f g h i j k>", "payload_depth": "<b>" * 21,
        "payload_nesting": "<div>" * 19 + "<br>" * 20, "payload_cells": "<table>" + "<tr><td><td>" * 26,
    }  # fmt: skip
    for reason, html in pages.items():
        assert [check.reason for check in check_markup(html, rules) if check.failed] == [reason]


@pytest.mark.parametrize("unit", ["<b><i></b>", "<p><b>", "<ul><li>x", "<!--", "<a b='", "</p", "<dd></dd><b>", "<x"])
def test_twice_the_page_costs_twice(unit: str) -> None:
    """No markup takes time that grows faster than the page."""
    if native.core() is None:
        pytest.skip("the core is timed")

    def cost(times: int) -> float:
        html = unit * times
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            markup_of(html)
            best = min(best, time.process_time() - start)
        return best

    assert cost(400_000) < 20 * max(cost(100_000), 1e-3)  # linear is 4, quadratic 16 and more from here on
