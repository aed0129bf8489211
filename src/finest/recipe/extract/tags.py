"""The HTML tags and names that `blocks` uses: what each tag begins and ends, and groups of words in names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

BR, LINK, RAW, SKIPPED, PUSHED, CELL, GRAPHIC, ENDS_P, CLOSABLE, VOID, INLINE = (1 << i for i in range(11))
"""Properties of a tag. RAW skips everything up to the end tag without parsing it; SKIPPED skips the element with its
content; PUSHED stays open until its end tag; ENDS_P ends an open `<p>`; CLOSABLE has an end tag but is not PUSHED; VOID
has neither content nor effect; INLINE has only a role. All tags but BR, LINK, RAW, VOID and INLINE end a block."""
ITEM, TERM, ROW, CELLS, LIST, TERMS, TABLE, PART = (1 << i for i in range(8))
"""Families of tags that end each other."""
KINDS = ("other", "paragraph", "item", "heading", "cell", "pre", "quote", "term", "caption")
FLAGS = ("header", "article", "main", "form", "table", "list", "figure", "section", "details")
"""Enclosing elements of a block that are features of the model."""


class Tag(NamedTuple):
    """The properties of an HTML tag that reading a page needs."""

    does: int = PUSHED
    kind: int = 0
    flag: int = 0
    family: int = 0
    ends: int = 0
    """Families of which it closes the innermost open element."""
    within: int = 0
    """Families of which an open element in between prevents that."""
    role: int = 0
    """What engine `blocks-2` makes of it (`structure_tags`); always 0 for `blocks-1`."""


def kind_of(name: str) -> int:
    """Return the index of a kind in KINDS."""
    return KINDS.index(name)


def _flag(name: str) -> int:
    return 1 << FLAGS.index(name)


_TAGS: Mapping[str, Tag] = {
    "br": Tag(BR), "a": Tag(LINK),
    **dict.fromkeys(("script", "style", "xmp", "iframe", "noembed", "noframes", "textarea", "title"), Tag(RAW)),
    **dict.fromkeys(("svg", "math"), Tag(RAW | GRAPHIC)),
    **dict.fromkeys(
        ("noscript", "template", "canvas", "object", "applet", "audio", "video", "map", "select", "datalist", "button",
         "nav", "footer", "aside", "dialog", "menu"), Tag(SKIPPED | PUSHED),
    ),
    **dict.fromkeys(
        ("head", "body", "html", "address", "center", "div", "fieldset", "hgroup", "search"), Tag(),
    ),
    "hr": Tag(0), "option": Tag(CLOSABLE),
    "p": Tag(CLOSABLE, kind_of("paragraph")),
    **dict.fromkeys(
        ("area", "base", "basefont", "bgsound", "col", "embed", "frame", "img", "input", "keygen", "link", "meta",
         "param", "source", "track", "wbr"), Tag(VOID),
    ),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), Tag(kind=kind_of("heading"))),
    **dict.fromkeys(("figcaption", "legend", "summary"), Tag(kind=kind_of("caption"))),
    "pre": Tag(kind=kind_of("pre")), "blockquote": Tag(kind=kind_of("quote")),
    **{name: Tag(flag=_flag(name)) for name in ("header", "article", "main", "form", "figure", "section", "details")},
    **dict.fromkeys(("ul", "ol", "dir"), Tag(flag=_flag("list"), family=LIST)),
    "dl": Tag(flag=_flag("list"), family=TERMS),
    "table": Tag(flag=_flag("table"), family=TABLE | PART),
    **dict.fromkeys(("tbody", "thead", "tfoot"), Tag(family=PART)),
    "caption": Tag(kind=kind_of("caption"), family=PART),
    "tr": Tag(family=ROW | PART, ends=ROW, within=TABLE),
    **dict.fromkeys(("td", "th"), Tag(
        CELL | PUSHED, kind_of("cell"), family=CELLS | PART, ends=CELLS, within=ROW | TABLE,
    )),
    "li": Tag(kind=kind_of("item"), family=ITEM, ends=ITEM, within=LIST | TABLE),
    **dict.fromkeys(("dt", "dd"), Tag(kind=kind_of("term"), family=TERM, ends=TERM, within=TERMS | TABLE)),
}  # fmt: skip
_ENDING_P = (
    "address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "dir", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr",
    "li", "main", "menu", "nav", "ol", "p", "pre", "search", "section", "summary", "table", "ul",
)  # fmt: skip
"""Start tags that close a `<p>` (HTML Standard, 13.2.6.4.7)."""
TAGS = {name: tag._replace(does=tag.does | ENDS_P) if name in _ENDING_P else tag for name, tag in _TAGS.items()}
HIDING = ("display:none", "visibility:hidden", "visibility:collapse")
"""`style` declarations, without white space, that hide an element."""
FORMATTING = (
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
)  # fmt: skip
"""Elements that the end of a `<p>` does not end (HTML Standard, 13.2.4.3)."""
NAMING = ("class", "id", "role", "itemprop")
"""Attributes whose words describe an element's content."""
DENYING = frozenset({"has", "with", "no", "without", "is", "hide", "show"})
"""First words of names that do not describe the element's content: `has-sidebar` is not a sidebar."""

SPACES = "\t\n\f\r "
"""White space inside HTML tags."""

_NO_SPACES = dict.fromkeys(map(ord, SPACES))
_NAMES = re.compile(r"[^\t\n\f\r ]+")
_WORDS = re.compile(r"[A-Z]*[a-z]+|[A-Z]+")


def names_of(attributes: Iterable[tuple[str, str]], groups: Mapping[str, int]) -> int:
    """Return the bits of the groups to which the words of an element's names belong."""
    bits = 0
    for name in (name for key, value in attributes if key in NAMING for name in _NAMES.findall(value)):
        words = [word.lower() for word in _WORDS.findall(name)]
        if words and words[0] not in DENYING:
            for word in words:
                bits |= groups.get(word, 0)
    return bits


def hides(key: str, value: str) -> bool:
    """Return whether the attribute hides its element."""
    if key == "style":
        return any(bare(part.partition("!")[0]) in HIDING for part in value.split(";"))
    return key == "hidden" or (key == "aria-hidden" and bare(value) == "true")


def bare(value: str) -> str:
    """Return `value` without white space, in lower case if it is ASCII."""
    return lower(value.translate(_NO_SPACES))


def lower(name: str) -> str:
    """Return `name` in lower case if it is ASCII."""
    return name.lower() if name.isascii() else name


def past(html: str, at: int, end: int, chars: str) -> int:
    """Return the index of the first character from `at` on that is not in `chars`."""
    while at < end and html[at] in chars:
        at += 1
    return at


def up_to(html: str, at: int, end: int, chars: str) -> int:
    """Return the index of the first character from `at` on that is in `chars`."""
    while at < end and html[at] not in chars:
        at += 1
    return at
