"""The type of a body that nobody names, by the rules of the MIME Sniffing Standard (mimesniff.spec.whatwg.org).

Four things are decided otherwise than there, since a refinery wants pages where a browser wants safety:

- A byte order mark before the markup is passed over, and UTF-16 markup is read; there, such a body is plain text.
- Any element of HTML that begins the body makes it HTML, and so do `<?xml` and comments before it. The Standard knows
  seventeen elements, and takes a body that begins with `<ul>` or `<section>` for text.
- A name of an element may be followed by any white space, `/` or `>`. The Standard wants a space or `>`.
- XML whose root is `html` is XHTML. This holds for the types text/xml and application/xml too.
"""

from __future__ import annotations

import re

RESOURCE_HEADER_BYTES = 1445
"""Bytes of a body that are looked at (section 5.2)."""
MARKUP_BYTES = 16 << 10
"""Bytes of a body in which its first element is looked for: comments and licence texts may stand before it."""

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
"""Elements of the HTML Standard, and those of older pages, that can begin a page or a piece of one."""
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
    """The type of a body of which no type is known (section 7.1, scripts allowed)."""
    start = _markup(body)
    root = _after_misc(start)
    if _PROLOG.match(start):
        return _xml_type(root)
    if _HTML_DOCTYPE.match(root) or _BEGINS_ELEMENT.match(root) or _COMMENT.match(start):
        return HTML
    return BINARY if is_binary(body) else TEXT


def refine_xml(body: bytes) -> str:
    """What the body of a type of XML is: XHTML where its root says so."""
    return _xml_type(_after_misc(_markup(body)))


def is_feed(body: bytes) -> bool:
    """Whether a body that is named HTML is a feed (section 7.3)."""
    return _FEED_ROOT.match(_after_misc(_markup(body))) is not None


def is_binary(body: bytes) -> bool:
    """Whether the body's head holds bytes that no text has; never where it begins with a byte order mark (7.2)."""
    return not body.startswith(tuple(_BOMS)) and _BINARY_BYTES.search(body, 0, RESOURCE_HEADER_BYTES) is not None


def _markup(body: bytes) -> bytes:
    """The head of the body as bytes whose ASCII characters can be matched, without a byte order mark."""
    head = body[:MARKUP_BYTES]
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            rest = head[len(bom) :]
            return rest if encoding == "utf-8" else rest.decode(encoding, "replace").encode("utf-8", "replace")
    return head


def _after_misc(start: bytes) -> bytes:
    """What follows the prolog, the comments and the processing instructions that a document begins with."""
    at = 0
    while (found := _MISC.match(start, at)) is not None:
        at = found.end()
    return start[at:]


def _xml_type(root: bytes) -> str:
    """XHTML or other XML, by the document type or the root element behind the prolog."""
    if _HTML_DOCTYPE.match(root):
        return XHTML
    doctype = _DOCTYPE.match(root)
    rest = _after_misc(root[doctype.end() :]) if doctype else root
    return XHTML if _XHTML_ROOT.match(rest) else XML
