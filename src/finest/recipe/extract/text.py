"""Read and measure the text of trees, and write a result tree as plain text."""

from __future__ import annotations

import re
from html import unescape
from unicodedata import normalize

from lxml.etree import _Element, tostring
from trafilatura.xml import NEWLINE_ELEMS, SPECIAL_FORMATTING, replace_element_text

_SPECIAL_TEXT = {"ref", "cell", "item"}
_ESCAPED_SPACE = re.compile(r"&#13;|&#10;|&nbsp;")


def trim(text: str) -> str:
    """Collapse each run of white space to one space, and strip the ends."""
    return " ".join(text.split())


def text_of(element: _Element) -> str:
    """Return all text inside the element, without its tail."""
    if len(element) == 0:
        return element.text or ""
    return tostring(element, method="text", encoding="unicode", with_tail=False)


def has_text(text: str | None) -> bool:
    """Return whether the text contains anything but white space."""
    return bool(text) and not text.isspace()  # type: ignore[union-attr]


def plain_text(body: _Element) -> str:
    """Return the body as trafilatura writes it with output format txt and no formatting, NFC-normalised."""
    parts: list[str] = []
    _write(body, parts, in_cell=False)
    return finished(_clean("".join(parts)))


def finished(text: str) -> str:
    """Resolve entities in the cleaned text of a result tree and NFC-normalise it, as trafilatura does."""
    return text if text.isascii() and "&" not in text else normalize("NFC", unescape(text))


def _clean(text: str) -> str:
    """Trim lines, and drop empty lines and unprintable characters (trafilatura's `sanitize`)."""
    if "&" in text:
        text = _ESCAPED_SPACE.sub(" ", text)
    if not text.isascii() or not text.isprintable():
        for char in set(text):
            if not (char.isprintable() or char.isspace()):
                text = text.replace(char, "")
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(filter(None, lines)).replace("\u2424", "")


def _write(element: _Element, parts: list[str], *, in_cell: bool) -> None:
    tag, text, tail = element.tag, element.text, element.tail
    if text is not None:
        parts.append(replace_element_text(element, False) if tag in _SPECIAL_TEXT else text)
    if len(element):
        inside_cell = in_cell or tag == "cell"
        for child in element:
            _write(child, parts, in_cell=inside_cell)
    if text is None and tail is None:
        if tag == "graphic":
            _write_image(element, parts)
        elif tag == "row":
            _write_row_end(element, parts)
        elif tag in NEWLINE_ELEMS:
            parts.append("\n")
        elif tag != "cell":
            return
    if tag in NEWLINE_ELEMS and not in_cell:
        parts.append("\n\n")
    elif tag == "cell":
        parts.append(" | ")
    elif tag == "comments":
        parts.append("\n\n")
    elif tag not in SPECIAL_FORMATTING:
        parts.append(" ")
    if tail is not None:
        parts.append(tail)


def _write_image(element: _Element, parts: list[str]) -> None:
    text = f"{element.get('title', '')} {element.get('alt', '')}".strip()
    parts.append(f"![{text}]({element.get('src', '')})")


def _write_row_end(row: _Element, parts: list[str]) -> None:
    span = int(row.get("span", 1))
    cells = sum(1 for _ in row.iterdescendants("cell"))
    parts.append("|" * (span - cells) + "\n")
    if any(child.tag == "cell" and child.get("role") == "head" for child in row):
        parts.append("\n" + "---|" * span + "\n")
