"""Determine the type of a body without a declared type, by the MIME Sniffing Standard (mimesniff.spec.whatwg.org).

Four rules differ from the Standard, because a refinery looks for pages where a browser looks for safety:

- A byte order mark before the markup is skipped, and UTF-16 markup is recognised, also without a mark; the Standard
  treats such a body as plain text or binary data.
- Any HTML element at the start of the body makes it HTML, also after `<?xml` and comments. The Standard knows seventeen
  elements, and treats a body that begins with `<ul>` or `<section>` as text.
- Any white space, `/` or `>` may follow an element's name. The Standard requires a space or `>`.
- XML whose root is `html` is XHTML, also if its declared type is text/xml or application/xml.
"""

from __future__ import annotations

import re

from finest.recipe.payload.prescan import unmarked_utf16

RESOURCE_HEADER_BYTES = 1445
"""Bytes of a body in which binary data is searched (section 5.2)."""
MARKUP_BYTES = 16 << 10
"""Bytes of a body in which its first element is searched; comments and licence texts may precede it."""

HTML, XHTML, XML, TEXT, BINARY = (
    "text/html", "application/xhtml+xml", "text/xml", "text/plain", "application/octet-stream",
)  # fmt: skip
XML_TYPES = frozenset({"text/xml", "application/xml"})

_BINARY_BYTES = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
"""Binary data bytes (section 3)."""
_BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"}
_ELEMENTS = (
    "html|head|body|title|meta|link|base|script|style|noscript|template|iframe|frameset|frame|noframes|"
    "h[1-6]|hgroup|header|footer|main|nav|section|article|aside|address|search|"
    "p|div|span|center|blockquote|pre|hr|br|ul|ol|li|dl|dt|dd|menu|figure|figcaption|"
    "table|caption|colgroup|col|thead|tbody|tfoot|tr|td|th|form|fieldset|label|input|button|select|textarea|"
    "a|b|i|u|s|em|strong|small|big|font|tt|code|sub|sup|q|cite|abbr|time|mark|img|picture|video|audio|object|embed|map"
)
"""Elements, of the HTML Standard and of older pages, with which a page or a fragment of one can begin."""
_SPACE = rb"[\t\n\x0c\r ]*"
_BEGINS_ELEMENT = re.compile(rb"(?i)" + _SPACE + rb"<(?:" + _ELEMENTS.encode() + rb")[\t\n\x0c\r />]")
_COMMENT = re.compile(_SPACE + rb"<!--")
_PROLOG = re.compile(_SPACE + rb"<\?xml[\t\n\x0c\r ]")
_MISC = re.compile(rb"(?s)" + _SPACE + rb"(?:<\?.*?\?>|<!--.*?-->)")
_DOCTYPE = re.compile(rb"(?i)" + _SPACE + rb"<!doctype[^>\[]*(?:\[[^\]]*\][\t\n\x0c\r ]*)?>")
_HTML_DOCTYPE = re.compile(rb"(?i)" + _SPACE + rb"<!doctype[\t\n\x0c\r ]+html\b")
_XHTML_ROOT = re.compile(rb"(?i)" + _SPACE + rb"<(?:[a-z0-9]+:)?html[\t\n\x0c\r />]")
_FEED_ROOT = re.compile(_SPACE + rb"<(?:rss|feed|rdf:RDF)[\t\n\x0c\r />]")


def sniff(body: bytes) -> str:
    """Return the type of a body without a declared type (section 7.1, scripts allowed)."""
    start = _markup(body)
    root = _after_misc(start)
    if _PROLOG.match(start):
        return _xml_type(root)
    if _HTML_DOCTYPE.match(root) or _BEGINS_ELEMENT.match(root) or _COMMENT.match(start):
        return HTML
    return BINARY if is_binary(body) else TEXT


def refine_xml(body: bytes) -> str:
    """Return the type of an XML body: XHTML if its document type or root is `html`, otherwise XML."""
    return _xml_type(_after_misc(_markup(body)))


def is_feed(body: bytes) -> bool:
    """Return whether a body declared as HTML is a feed (section 7.3)."""
    return _FEED_ROOT.match(_after_misc(_markup(body))) is not None


def is_binary(body: bytes) -> bool:
    """Return whether the body's head has binary data bytes; False if it begins with a byte order mark (7.2)."""
    return not body.startswith(tuple(_BOMS)) and _BINARY_BYTES.search(body, 0, RESOURCE_HEADER_BYTES) is not None


def _markup(body: bytes) -> bytes:
    """Return the head of the body in an ASCII-compatible encoding, without a byte order mark."""
    head = body[:MARKUP_BYTES]
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            rest = head[len(bom) :]
            return rest if encoding == "utf-8" else rest.decode(encoding, "replace").encode("utf-8", "replace")
    unmarked = unmarked_utf16(head)
    return head.decode(unmarked, "replace").encode("utf-8", "replace") if unmarked else head


def _after_misc(start: bytes) -> bytes:
    """Skip the prolog, comments and processing instructions at the start of a document."""
    at = 0
    while (found := _MISC.match(start, at)) is not None:
        at = found.end()
    return start[at:]


def _xml_type(root: bytes) -> str:
    """Return XHTML or XML, by the document type or the root element after the prolog."""
    if _HTML_DOCTYPE.match(root):
        return XHTML
    doctype = _DOCTYPE.match(root)
    rest = _after_misc(root[doctype.end() :]) if doctype else root
    return XHTML if _XHTML_ROOT.match(rest) else XML
