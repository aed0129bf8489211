"""The encoding that an HTML page declares in itself (HTML Standard 13.2.3.2, "prescan a byte stream").

The Standard looks at the first 1,024 bytes, and lets the parser start again when a `<meta>` further on names an
encoding. Here both are one scan, of PRESCAN_BYTES. Where no `<meta>` names one, the XML declaration does.
"""

from __future__ import annotations

import re

from finest.recipe.payload.labels import encoding_of

PRESCAN_BYTES = 64 << 10
"""How far a declaration is looked for: heads of pages that begin with styles and scripts are this long at the most."""

_SPACE = rb"[\t\n\x0c\r ]*"
_NEXT = re.compile(
    rb"(?i)(?P<comment><!--)|(?P<meta><meta(?=[\t\n\x0c\r /]))|(?P<tag></?[a-z][^\t\n\x0c\r >]*)|<[!/?][^>]*>"
)
_QUOTED = rb"\"([^\"]*)\"|'([^']*)'"
_ATTRIBUTE = re.compile(
    rb"[\t\n\x0c\r /]*(?:(>)|(=?[^\t\n\x0c\r />=]*)" + _SPACE + rb"(?:=" + _SPACE
    + rb"(?:" + _QUOTED + rb"|([^\t\n\x0c\r >\"'][^\t\n\x0c\r >]*)?))?)"
)  # fmt: skip
"""End of the tag, or name and value of an attribute."""
_CHARSET = re.compile(
    rb"(?i)charset" + _SPACE + rb"=" + _SPACE + rb"(?:" + _QUOTED + rb"|([^\t\n\x0c\r ;\"'][^\t\n\x0c\r ;]*))"
)
_XML = re.compile(rb"<\?xml[^>]*?encoding" + _SPACE + rb"=" + _SPACE + rb"(?:" + _QUOTED + rb")")
_DECLARES = re.compile(rb"(?i)charset|encoding")


def declared_encoding(body: bytes) -> str | None:
    """The Standard's name of the encoding that the page declares for itself; None where it declares none."""
    head = body[:PRESCAN_BYTES]
    if head.startswith(b"<\0?\0x\0"):
        return "UTF-16LE"
    if head.startswith(b"\0<\0?\0x"):
        return "UTF-16BE"
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
    """The attributes of a tag by name in lower case, the first of each name, and where the tag ends."""
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
        return "UTF-8"  # whoever could read the label has not read UTF-16
    return "windows-1252" if encoding == "x-user-defined" else encoding


def _by_xml(head: bytes) -> str | None:
    """The encoding of the XML declaration that the page begins with ("get an XML encoding")."""
    found = _XML.match(head)
    encoding = encoding_of((found[1] or found[2] or b"").decode("latin-1")) if found else None
    return "UTF-8" if encoding in ("UTF-16LE", "UTF-16BE") else encoding
