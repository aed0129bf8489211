"""The core's own functions over characters, against Python's over all of Unicode."""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml.etree import tostring
from trafilatura import readability_lxml
from trafilatura.utils import RE_FILTER

from finest.recipe import native
from finest.recipe.extract import marks, text
from finest.recipe.extract.paragraphs import stop_words
from finest.recipe.extract.parse import PARSER, _holds_forbidden
from tests.deep import CODES

EVERY = [chr(code) for code in CODES]
KINDS = {"unlikelyCandidatesRe": 1, "okMaybeItsACandidateRe": 2, "negativeRe": 4, "positiveRe": 8}
TEXTS = st.text(
    alphabet=st.sampled_from(
        list("ab ,.&#;:<>\n\r\t\v\f\x1c\x85\xa0\u2003\u2028\u3000é日\xad\u200b\u2424\U0001f600İıſK")
    )
)
pytestmark = pytest.mark.usefixtures("core")


def probe(name: str, value: str) -> Any:
    return native.core().probe(name, value)


@pytest.mark.slow
def test_white_space_of_every_character() -> None:
    """Each character is white space where Python says so, and is trimmed away at both ends and in the middle."""
    for char in EVERY:
        value = f"{char}a{char} b{char}"
        assert probe("trim", value) == text.trim(value), hex(ord(char))
        assert probe("has_text", char) == (not char.isspace())


@pytest.mark.slow
def test_lines_and_unprintable_characters() -> None:
    """Each character ends a line, goes, or stays, as in the Python path's cleaning."""
    for char in EVERY:
        value = f"a{char}b {char} c"
        assert probe("clean", value) == text._clean(value), hex(ord(char))


@pytest.mark.slow
@pytest.mark.parametrize(
    "word", ["Facebook", "Instagram", "Pinterest", "Whatsapp", "Linkedin", "WeiBo", "Drucken", "QQ"]
)
def test_filtered_words_whatever_stands_for_a_letter(word: str) -> None:
    """Every character in front of a filtered word, behind it, and in the place of each of its letters."""

    def filtered(value: str) -> bool:
        return not text.has_text(value) or any(map(RE_FILTER.match, value.splitlines()))

    for char in EVERY if word == "Linkedin" else EVERY[:0x3000]:
        for value in (f"{char}{word}", f"{word}{char}", f"{char} {word}"):
            assert probe("is_filtered", value) == filtered(value), value
    for at in range(len(word)):
        for char in (*EVERY[:0x250], "\u212a", "\ufb05", "\ufb06", "\u1e9e"):
            value = word[:at] + char + word[at + 1 :]
            assert probe("is_filtered", value) == filtered(value), value


@given(TEXTS)
def test_trimming(value: str) -> None:
    """Runs of white space, of whatever characters, are one space; lengths and commas are those of the trimmed text."""
    assert probe("trim", value) == text.trim(value)
    assert probe("strip", value) == value.strip()
    assert probe("trimmed_length", value) == len(text.trim(value))
    assert probe("commas", value) == value.count(",")
    assert probe("clean", value) == text._clean(value)
    assert probe("clean", f"&nbsp;{value}&#13;") == text._clean(f"&nbsp;{value}&#13;")


@pytest.mark.parametrize(
    "value", ["More on this", "more on this: abc", "More on this 123456789", "Mehr zum Thema:", "E-Mail", "x\rPrint\ny"]
)
def test_filtered_phrases(value: str) -> None:
    """The longer phrases, to their last character."""
    assert probe("is_filtered", value) == any(map(RE_FILTER.match, value.splitlines()))


def test_lower_case_of_stop_words() -> None:
    """A word is a stop word in whatever case Python can lower."""
    words = sorted(stop_words())[::200]
    for word in [*words, *map(str.upper, words), *map(str.title, words), "ΟΔΟΣ", "İÇİN", "x" * 2000, "ΚΑΙ"]:
        assert probe("is_stop_word", word) == (word.lower() in stop_words()), word


@pytest.mark.slow
def test_simple_lower_case_is_whole_lower_case() -> None:
    """But for two characters, which the core leaves to Python, lower case is one character of its own."""
    odd = {char for char in EVERY if len(char.lower()) != 1}
    assert odd == {"\u0130"}


@pytest.mark.parametrize("name", KINDS)
def test_names_as_readability_finds_them(name: str) -> None:
    """Each word of a pattern, in each case and with the letters that only look like ASCII's."""
    pattern = readability_lxml.REGEXES[name]
    for word in pattern.pattern.split("|"):
        for value in (word, word.upper(), f"x{word}y", word[:-1], word.replace("i", "İ"), word.replace("i", "ı"),
                      word.replace("s", "ſ"), word.replace("k", "\u212a"), word.replace("a", "ä")):  # fmt: skip
            assert bool(probe("name_kinds", value) & KINDS[name]) == bool(pattern.search(value)), value


@pytest.mark.parametrize("attribute", sorted(marks.MASKS))
def test_masks_of_attributes(attribute: str) -> None:
    """The literals of each expression, alone, at the start, and in other company."""
    masks = marks.MASKS[attribute]
    for literal in [*masks.literals, ""]:
        for value in (literal, f"{literal} x", f"x{literal}", literal[:-1], literal.swapcase(), f"{literal}{literal}"):
            assert probe(f"@{attribute}", value) == masks[value], value


@pytest.mark.parametrize(
    "src",
    [
        "https://www.youtube.com/x",
        "HTTP://VIMEO.com",
        "//youtube.com",
        "http://www.vimeo.org",
        "xhttps://youtube.comx",
        "",
    ],
)
def test_videos(src: str) -> None:
    """A frame's address is a video's where readability says so."""
    assert probe("is_video", src) == bool(readability_lxml.REGEXES["videoRe"].search(src))


@pytest.mark.parametrize("name", ["<a", "<b", "<xa", "x<UL", "<<p", "<", "<tabl", "<table"])
def test_names_that_look_like_blocks(name: str) -> None:
    """An attribute's name keeps a div a div where its markup would."""
    assert probe("looks_like_block", name) == bool(readability_lxml.REGEXES["divToPElementsRe"].search(name))


@given(
    st.text(alphabet=st.sampled_from(list("a<>&\"'\n\r\t é日\xa0"))),
    st.text(alphabet=st.sampled_from(list("a<>&\"'\n\t é日"))),
)
def test_xml_as_lxml_writes_it(content: str, value: str) -> None:
    """The core writes an element as lxml writes it."""
    element = PARSER.makeelement("div")
    element.append(element.makeelement("br"))
    element.text, element[0].tail = content, content
    element.set("class", value)
    assert native.core().serialize(element) == tostring(element, encoding=str, method="xml")


PIECES = [
    "&#", "x", "X", "0", "1", "8", "9", "31", "32", "fffe", "FFFF", "65534", "65535", ";", "a", "\x0b", "\ufffe",
    "\uffff", "\uff11", "\n", "é", "&",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_sure_of_no_forbidden_character(html: str) -> None:
    """What the core is sure of, the Python path's patterns do not find either."""
    data = html.encode()
    for value in (data, b"plain text " * 20 + data + b" and more" * 20):
        if native.core().is_plain(value):
            assert not _holds_forbidden(value.decode(), value)


WIDTHS = ("a", "\x7f", "\x80", "\xff", "\u0100", "\u7fff", "\u8000", "\ud7ff", "\uffff", "\U00010000", "\U0010ffff")
"""Characters around each change of width, in memory and in UTF-8."""


@given(st.lists(st.one_of(st.just("plain ASCII"), st.sampled_from(WIDTHS)), max_size=12).map("".join))
def test_utf8_is_what_python_encodes(html: str) -> None:
    """Sixteen characters at a time or one, whatever their width; half of a surrogate pair is an error."""
    core = native.core()
    assert core.utf8(html) == html.encode()
    with pytest.raises(UnicodeEncodeError):
        core.utf8(f"{html}\ud800{html}")


def test_finished_text() -> None:
    """Entities and composition are left to Python."""
    for value in ("a", "&amp;", "e\u0301", "&eacute"):
        assert text.finished(value) == unicodedata.normalize("NFC", unescape(value))
    assert re.search(r"\s", "\x1c") and "\x1c".isspace()
