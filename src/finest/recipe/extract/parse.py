"""Parse HTML to the tree that trafilatura 1.11.0's `load_html` builds, with our own parser.

Our parser uses lxml's C class lookup instead of lxml.html's Python one; the tree is the same, and its elements are
cheaper.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml.etree import ElementDefaultClassLookup
from lxml.html import (
    HtmlComment,
    HtmlElement,
    HtmlEntity,
    HTMLParser,
    HtmlProcessingInstruction,
    fromstring,
)
from trafilatura.utils import DOCTYPE_TAG, FAULTY_HTML

from finest.recipe import native

_CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\t\n\r")
_NONCHARACTERS = ("\ufffe", "\uffff")
_CONTROL_REFERENCE = re.compile(
    r"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])(?!\d)|[xX]0*(?:[0-8bBcCeEfF]|1[\da-fA-F]|[fF]{3}[eEfF])(?![\da-fA-F])|0*6553[45])"
)
_STARTS_WITH_A_TAG = re.compile(r"[ \t\n\r\f\v]*<")
_FIRST_LINES = 4  # the number of lines that trafilatura searches for a faulty <html/>


def new_parser() -> HTMLParser:
    """Create a parser with trafilatura's options; it keeps no data of a page, so all pages of a process share one."""
    parser = HTMLParser(
        collect_ids=False, default_doctype=False, encoding="utf-8", remove_comments=True, remove_pis=True
    )
    parser.set_element_class_lookup(
        ElementDefaultClassLookup(
            element=HtmlElement, comment=HtmlComment, pi=HtmlProcessingInstruction, entity=HtmlEntity
        )
    )
    return parser


PARSER = new_parser()


@dataclass(frozen=True, slots=True)
class Source:
    """A page's HTML, repaired as trafilatura repairs it; each step that needs a whole tree parses it again."""

    html: str
    data: bytes
    dubious: bool
    """Whether the first 50 characters do not contain `html`."""
    forbidden: bool
    """Whether it may contain characters that XML forbids; the first step that writes one to a tree raises."""

    def tree(self) -> HtmlElement | None:
        """Return a new tree of the whole page, or None if lxml or trafilatura finds no HTML in it."""
        tree = parse_bytes(self.data) if _STARTS_WITH_A_TAG.match(self.html) else _parse_text(self.html, self.data)
        if tree is not None and self.dubious and len(tree) < 2:
            return None
        return tree


def source_of(html: str) -> Source | None:
    """Return the page as a Source; None if it contains lone surrogates.

    Without forbidden characters no write can fail, so steps can be reordered or omitted without changing the result.
    """
    beginning = html[:50].lower()
    repaired = _repair(html, beginning)
    core = native.core()
    try:
        data = core.utf8(repaired) if core else repaired.encode()
    except UnicodeEncodeError:
        return None
    forbidden = not (core and core.is_plain(data)) and _holds_forbidden(repaired, data)
    return Source(repaired, data, "html" not in beginning, forbidden)


def _holds_forbidden(html: str, data: bytes) -> bool:
    if len(data.translate(None, _CONTROL_BYTES)) != len(data) or any(char in html for char in _NONCHARACTERS):
        return True
    return "&#" in html and _CONTROL_REFERENCE.search(html) is not None


def parse_bytes(data: bytes) -> HtmlElement | None:
    """Parse UTF-8 bytes; return None if lxml fails for any reason, as trafilatura does."""
    try:
        return fromstring(data, parser=PARSER)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - lxml's own errors, and AssertionError on odd fragments
        return None


def _parse_text(html: str, data: bytes) -> HtmlElement | None:
    """Parse the string, or its bytes if that fails; a string and its bytes can differ in being a whole document."""
    try:
        tree = fromstring(html, parser=PARSER)
    except ValueError:  # lxml rejects a string with an encoding declaration
        return parse_bytes(data)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - lxml raises what it likes on odd markup
        tree = None
    return parse_bytes(data) if tree is None or len(tree) < 1 else tree


def _repair(html: str, beginning: str) -> str:
    if "doctype" in beginning:
        end = html.find("\n")
        first = html if end < 0 else html[:end]
        repaired = DOCTYPE_TAG.sub("", first, count=1)
        if end < 0:
            html = repaired + "\n"
        elif repaired != first:
            html = repaired + html[end:]
    for line in _first_lines(html):
        if "<html" in line and line.endswith("/>"):
            return FAULTY_HTML.sub(r"\1>", html, count=1)
    return html


def _first_lines(html: str) -> list[str]:
    size = 2048
    while True:
        lines = html[:size].splitlines()
        if len(lines) > _FIRST_LINES or size >= len(html):
            return lines[:_FIRST_LINES]
        size *= 8
