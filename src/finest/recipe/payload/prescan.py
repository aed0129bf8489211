"""Find the encoding that an HTML page declares (HTML Standard 13.2.3.2, "prescan a byte stream").

The Standard scans the first 1,024 bytes, and lets the parser restart when a later `<meta>` names an encoding. Here one
scan of PRESCAN_BYTES covers both. If no `<meta>` names an encoding, the XML declaration is used.
"""

from __future__ import annotations

import re

from finest.recipe.payload.labels import encoding_of

PRESCAN_BYTES = 64 << 10
"""Number of bytes to scan; heads of pages that begin with styles and scripts are at most this long."""

_SPACE = rb"[\t\n\x0c\r ]*"
_NEXT = re.compile(
    rb"(?i)(?P<comment><!--)|(?P<meta><meta(?=[\t\n\x0c\r /]))|(?P<tag></?[a-z][^\t\n\x0c\r >]*)|<[!/?][^>]*>"
)
_QUOTED = rb"\"([^\"]*)\"|'([^']*)'"
_ATTRIBUTE = re.compile(
    rb"[\t\n\x0c\r /]*(?:(>)|(=?[^\t\n\x0c\r />=]*)" + _SPACE + rb"(?:=" + _SPACE
    + rb"(?:" + _QUOTED + rb"|([^\t\n\x0c\r >\"'][^\t\n\x0c\r >]*)?))?)"
)  # fmt: skip
"""Matches the end of the tag, or the name and value of an attribute."""
_CHARSET = re.compile(
    rb"(?i)charset" + _SPACE + rb"=" + _SPACE + rb"(?:" + _QUOTED + rb"|([^\t\n\x0c\r ;\"'][^\t\n\x0c\r ;]*))"
)
_XML = re.compile(rb"<\?xml[^>]*?encoding" + _SPACE + rb"=" + _SPACE + rb"(?:" + _QUOTED + rb")")
_UTF16 = re.compile(
    rb"(?:[\t\n\r ]\0){0,64}(?P<LE>(?:<\0[!?/a-zA-Z]\0))|(?:\0[\t\n\r ]){0,64}(?P<BE>(?:\0<\0[!?/a-zA-Z]))"
)
_DECLARES = re.compile(rb"(?i)charset|encoding")


def unmarked_utf16(body: bytes) -> str | None:
    """Return the name of UTF-16's kind if markup in it begins the body, by the zeros around its first character.

    The Standard looks for them in an XML declaration alone.
    """
    found = _UTF16.match(body)
    return f"UTF-16{found.lastgroup}" if found else None


def declared_encoding(body: bytes) -> str | None:
    """Return the Standard's name of the encoding that the page declares; None if it declares none."""
    head = body[:PRESCAN_BYTES]
    return (_by_meta(head) or _by_xml(head)) if _DECLARES.search(head) else None


def _by_meta(head: bytes) -> str | None:
    at = 0
    while (found := _NEXT.search(head, at)) is not None:
        at = found.end()
        if found["comment"]:
            at = head.find(b"-->", found.start() + 2)
            if at < 0:
                return None
        elif found["meta"] or found["tag"]:
            attributes, at = _attributes(head, at)
            encoding = _of_meta(attributes) if found["meta"] else None
            if encoding is not None:
                return encoding
    return None


def _attributes(head: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """Return the attributes of a tag by lower-case name, the first of each name, and the index after the tag."""
    attributes: dict[bytes, bytes] = {}
    while at < len(head):
        found = _ATTRIBUTE.match(head, at)
        if found is None or found.end() == at:
            break
        at = found.end()
        if found[1]:
            return attributes, at
        attributes.setdefault(found[2].lower(), (found[3] or found[4] or found[5] or b"").lower())
    return {}, len(head)  # the tag does not end


def _of_meta(attributes: dict[bytes, bytes]) -> str | None:
    label = attributes.get(b"charset")
    if label is None and attributes.get(b"http-equiv") == b"content-type":
        found = _CHARSET.search(attributes.get(b"content", b""))
        label = found and (found[1] or found[2] or found[3])
    encoding = encoding_of(label.decode("latin-1")) if label else None
    if encoding in ("UTF-16LE", "UTF-16BE"):
        return "UTF-8"  # the label could be read as ASCII, so the page is not in UTF-16
    return "windows-1252" if encoding == "x-user-defined" else encoding


def _by_xml(head: bytes) -> str | None:
    """Return the encoding in the XML declaration at the start of the page ("get an XML encoding")."""
    found = _XML.match(head)
    encoding = encoding_of((found[1] or found[2] or b"").decode("latin-1")) if found else None
    return "UTF-8" if encoding in ("UTF-16LE", "UTF-16BE") else encoding
