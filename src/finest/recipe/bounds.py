"""Measure what a page's markup costs a parser, in one linear pass before any parser reads the page.

The memory and time of parsers grow with the square of some counts: they compare an attribute with all others of its
tag, walk to deep elements repeatedly, and pad a table to its widest row. The pass follows the HTML Standard's tokenizer
and its rules on which elements close others, so that its depth differs from the tree's by a small factor at most.
`bounds.c` of the compiled core implements the same rules; keep the two in sync.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from finest.recipe import native
from finest.recipe.check import Check

if TYPE_CHECKING:
    from finest.recipe.recipe import LimitRules

MOST_OPEN = 16_384
"""Limit on open elements; a page that reaches it has this depth, and the rest of the page is not read."""
MOST_NAMES = 256
"""Limit on the different names of non-HTML elements that are tracked in one page."""
MOST_COLUMNS = 1_000
"""Limit on the columns that a table cell spans (HTML Standard, 4.9.11); extraction caps wider cells at this width."""

(VOID, RAW, FORMATTING, SPECIAL, STOP, SCOPE, CLOSES_P, ITEM, TERM, CELL, ROW, PART, HEADING) = (
    1 << i for i in range(13)
)  # fmt: skip
"""Roles of an element in the tree. HTML Standard 13.2.4.2 defines SPECIAL, FORMATTING and SCOPE; STOP marks the special
elements that the start tag of a list item does not close."""
_BLOCK = SPECIAL | STOP | CLOSES_P

ELEMENTS: dict[str, int] = {
    **dict.fromkeys(
        ["area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "img", "input", "keygen", "link",
         "meta", "param", "source", "track", "wbr", "html", "head", "body", "option", "optgroup"], VOID,
    ),
    "hr": VOID | CLOSES_P,
    **dict.fromkeys(["script", "style", "xmp", "iframe", "noembed", "noframes", "textarea", "title"], RAW),
    **dict.fromkeys(["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt",
     "u"], FORMATTING),
    "p": SPECIAL | CLOSES_P, "div": SPECIAL | CLOSES_P, "address": SPECIAL | CLOSES_P,
    **dict.fromkeys(
        ["article", "aside", "blockquote", "center", "details", "dialog", "dir", "dl", "fieldset", "figcaption",
         "figure", "footer", "form", "header", "hgroup", "main", "menu", "nav", "ol", "pre", "listing", "search",
         "section", "summary", "ul"], _BLOCK,
    ),
    **dict.fromkeys(["h1", "h2", "h3", "h4", "h5", "h6"], _BLOCK | HEADING),
    "li": SPECIAL | CLOSES_P | ITEM, "dt": SPECIAL | CLOSES_P | TERM, "dd": SPECIAL | CLOSES_P | TERM,
    "table": _BLOCK | SCOPE,
    "td": SPECIAL | STOP | SCOPE | CELL, "th": SPECIAL | STOP | SCOPE | CELL, "tr": SPECIAL | STOP | ROW,
    **dict.fromkeys(["tbody", "thead", "tfoot", "colgroup"], SPECIAL | STOP | PART),
    "caption": SPECIAL | STOP | SCOPE | PART,
    **dict.fromkeys(["applet", "marquee", "object", "template"], SPECIAL | STOP | SCOPE),
    **dict.fromkeys(["button", "noscript", "select", "frameset"], SPECIAL | STOP),
    **dict.fromkeys(["svg", "math", "plaintext", "span", "label", "path", "g", "picture", "time", "sup", "sub", "abbr",
     "cite"], 0),
}  # fmt: skip

_WIDE = re.compile("[^\0-\xff]")
"""Matches characters beyond Latin-1. They have no meaning in markup, so one character replaces them all; element names
with such a character are not distinguished."""
_MARKUP = re.compile(rb"<(?:!--|[!?/A-Za-z])")
_START = re.compile(rb"<[A-Za-z]")
_NAME = re.compile(rb"[^\t\n\f\r />]*")
_ATTRIBUTE = re.compile(rb"[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)?[\t\n\f\r ]*")
_VALUE = re.compile(rb"=[\t\n\f\r ]*(?:([\"'])|([^\t\n\f\r >]*))")
_COMMENT_END = re.compile(rb"--!?>")
_COLUMNS = re.compile(rb"[\t\n\f\r ]*\+?0*([0-9]{0,9})")
_CONTEXTS = {CELL: ("table", "tbody", "thead", "tfoot", "tr"), ROW: ("table", "tbody", "thead", "tfoot"),
             PART: ("table",)}  # fmt: skip
"""The elements at which a table part stops closing open elements."""


class Markup(NamedTuple):
    """The counts of a page's markup."""

    tags: int
    """Number of objects that a parser may allocate: each `<` before a letter, anywhere; the attributes of all start
    tags; and the formatting elements that parsers reopen."""
    attributes: int
    """Number of attributes of the start tag with the most; all `<html>` and `<body>` tags count as one tag."""
    depth: int
    """Largest number of elements that are open at the same time."""
    nesting: int
    """Sum of the depths of all start tags."""
    cells: int
    """Table rows times the columns of the widest row: the cells that padding may write."""


def markup_of(html: str) -> Markup:
    """Count a page's markup, with the compiled core if there is one, otherwise in Python."""
    core = native.core()
    return Markup(*core.markup(html)) if core else read_markup(html)


def read_markup(html: str) -> Markup:
    """Count a page's markup in Python."""
    return _Reader(html).read()


def check_markup(html: str, rules: LimitRules) -> Iterator[Check]:
    """Check whether the markup stays within the recipe's limits."""
    found = markup_of(html)
    yield Check("payload_tags", found.tags, rules.tags, found.tags > rules.tags)
    yield Check("payload_attributes", found.attributes, rules.attributes, found.attributes > rules.attributes)
    yield Check("payload_depth", found.depth, rules.depth, found.depth > rules.depth)
    yield Check("payload_nesting", found.nesting, rules.nesting, found.nesting > rules.nesting)
    yield Check("payload_cells", found.cells, rules.cells, found.cells > rules.cells)


class _Open(NamedTuple):
    """An open element, and the previous values of the reader's innermost positions, to restore when it closes."""

    key: str
    before: int
    special: int
    stop: int
    scope: int
    carried: int
    tag: str
    """The start tag of a formatting element with attributes; otherwise empty."""
    alive: bool = True


class _Reader:
    def __init__(self, html: str) -> None:
        self.html = html
        self.data, self.end = _WIDE.sub("\xff", html).encode("latin-1"), len(html)
        self.open: list[_Open] = []
        self.last = dict.fromkeys([*ELEMENTS, ""], -1)
        """Index in `open` of the innermost open element of each name, or -1. "" stands for all untracked names; only
        an enclosing element closes such an element."""
        self.special = self.stop = self.scope = -1
        self.alive = self.depth = self.nesting = self.attributes = self.whole = 0
        self.rows = self.columns = self.widest = 0
        self.carried = self.again = self.attributes_in_all = 0
        """`carried` counts the formatting elements that another tag closed; parsers reopen them in what follows, and
        `again` counts how often."""
        self.carried_tag = ""

    def read(self) -> Markup:
        at = 0
        while self.depth < MOST_OPEN and (found := _MARKUP.search(self.data, at)):
            at = self.one(found)
        tags = len(_START.findall(self.data)) + self.again + self.attributes_in_all
        width = min(max(self.widest, self.columns), MOST_COLUMNS)
        return Markup(tags, max(self.attributes, self.whole), self.depth, self.nesting, self.rows * width)

    def one(self, found: re.Match[bytes]) -> int:
        """Read the markup that `found` begins; return the index after it."""
        data, kind, start = self.data, found[0], found.start()
        if kind == b"<!--":
            return self.comment(start + 4)
        if kind in (b"<!", b"<?"):
            return self.after(b">", start + 2)
        if kind == b"</":
            if not data[start + 2 : start + 3].isalpha():
                return self.after(b">", start + 2)
            name = _match(_NAME, data, start + 2)
            at, _, _ = self.read_attributes(name.end())
            if at <= self.end:
                self.end_tag(_key(name[0]))
            return at
        name = _match(_NAME, data, start + 1)
        at, count, columns = self.read_attributes(name.end())
        return self.start_tag(_key(name[0]), start, at, count, columns) if at <= self.end else at

    def after(self, what: bytes, start: int) -> int:
        at = self.data.find(what, start)
        return at + len(what) if at >= 0 else self.end

    def comment(self, start: int) -> int:
        for end in (b">", b"->"):
            if self.data.startswith(end, start):
                return start + len(end)
        found = _COMMENT_END.search(self.data, start)
        return found.end() if found else self.end

    def read_attributes(self, at: int) -> tuple[int, int, int]:
        """Return the index after the tag, its number of attributes, and its `colspan`.

        If the page ends inside the tag, the index is beyond the page's end.
        """
        data, count, columns = self.data, 0, 1
        while True:
            name = _match(_ATTRIBUTE, data, at)
            at = name.end()
            if name[1] is None:
                return (at + 1 if at < self.end else self.end + 1), count, columns
            count += 1
            if (value := _VALUE.match(data, at)) is None:
                continue
            at = value.end()
            text = value[2]
            if value[1]:
                end = data.find(value[1], at)
                if end < 0:
                    return self.end + 1, count, columns
                text, at = data[at:end], end + 1
            if name[1].lower() == b"colspan":
                columns = _columns(text)

    # ---- the tree ----

    def start_tag(self, key: str, start: int, at: int, count: int, columns: int) -> int:
        if key in ("html", "body"):
            self.whole += count
        self.attributes = max(self.attributes, count)
        self.attributes_in_all += count
        does = ELEMENTS.get(key, 0)
        foreign = max(self.last["svg"], self.last["math"]) > self.scope
        closed = self.data[at - 2 : at - 1] == b"/"
        if does & RAW and not foreign:
            return self.raw_end(key, at)
        if key == "plaintext":
            return self.end
        if does & (CELL | ROW):
            self.count_cells(does, columns)
        if foreign and does & SPECIAL:
            self.pop_to(max(self.last["svg"], self.last["math"]))
        elif closed and (foreign or key in ("svg", "math")):
            return at
        self.close_for(key, does)
        if not does & VOID:
            self.push(key, does, self.html[start:at] if does & FORMATTING and count else "")
        self.nesting += self.alive + self.carried
        self.again += self.carried
        return at

    def count_cells(self, does: int, columns: int) -> None:
        if does & ROW:
            self.rows += 1
            self.widest, self.columns = max(self.widest, self.columns), 0
        else:
            self.columns += columns

    def raw_end(self, key: str, start: int) -> int:
        found = re.compile(rb"</" + key.encode() + rb"(?=[\t\n\f\r />])", re.IGNORECASE).search(self.data, start)
        return found.start() if found else self.end

    def close_for(self, key: str, does: int) -> None:
        """Close the open elements that the start tag of this element closes."""
        last = self.last
        if does & CLOSES_P and last["p"] > self.scope:
            self.pop_to(last["p"])
        if does & ITEM and last["li"] > self.stop:
            self.pop_to(last["li"])
        if does & TERM and max(last["dt"], last["dd"]) > self.stop:
            self.pop_to(max(last["dt"], last["dd"]))
        if does & (CELL | ROW | PART):
            context = _CONTEXTS[does & (CELL | ROW | PART)]
            if last["table"] >= 0:
                self.pop_to(max(last[name] for name in context) + 1)
        if does & HEADING and self.open and ELEMENTS.get(self.open[-1].key, 0) & HEADING:
            self.pop_to(len(self.open) - 1)
        if key == "a" and last["a"] > self.scope:
            self.remove(last["a"])
        if key == "button" and last["button"] > self.scope:
            self.pop_to(last["button"])

    def push(self, key: str, does: int, tag: str) -> None:
        if key not in self.last:
            if "\xff" not in key and len(self.last) < len(ELEMENTS) + 1 + MOST_NAMES:
                self.last[key] = -1
            else:
                key = ""
        place = len(self.open)
        self.open.append(_Open(key, self.last[key], self.special, self.stop, self.scope, self.carried, tag))
        self.last[key] = place
        self.special = place if does & SPECIAL else self.special
        self.stop = place if does & STOP else self.stop
        self.scope = place if does & SCOPE else self.scope
        self.alive += 1
        deep = self.alive + self.carried
        self.depth = MOST_OPEN if place + 1 == MOST_OPEN or deep > MOST_OPEN else max(self.depth, deep)

    def end_tag(self, key: str) -> None:
        does = ELEMENTS.get(key, 0)
        place = self.last.get(key, -1)  # the end tag of an untracked name closes nothing
        if does & FORMATTING and place < self.scope + (self.scope < 0) and self.carried > 0:
            self.carried -= 1
        if place < 0:
            return
        if does & FORMATTING:
            if place > self.scope:
                self.remove(place)
        elif does & (CELL | ROW | PART):
            if place > self.last["table"]:
                self.pop_to(place)
        elif does & ITEM:
            if place > self.stop:
                self.pop_to(place)
        elif place >= (self.scope if does & (SPECIAL | SCOPE) else self.special) or key == "table":
            self.pop_to(place)

    def remove(self, place: int) -> None:
        """Close a formatting element without closing the elements inside it."""
        open_ = self.open[place]
        if place == len(self.open) - 1:
            self.pop_to(place, ended=True)
            return
        self.open[place] = open_._replace(alive=False)
        self.last[open_.key] = open_.before
        self.alive -= 1

    def pop_to(self, place: int, *, ended: bool = False) -> None:
        """Close the element at `place`, all later ones, and closed elements directly before it.

        `ended` means that its own end tag closes it; it is then the last one.
        """
        while len(self.open) > place or (self.open and not self.open[-1].alive):
            gone = self.open.pop()
            self.special, self.stop, self.scope = gone.special, gone.stop, gone.scope
            if gone.alive:
                self.last[gone.key] = gone.before
                self.alive -= 1
            if ELEMENTS.get(gone.key, 0) & SCOPE:
                self.carried = gone.carried
            elif gone.alive and gone.tag and gone.tag != self.carried_tag and not ended:
                self.carried, self.carried_tag = self.carried + 1, gone.tag


def _key(name: bytes) -> str:
    return name.lower().decode("latin-1")


def _columns(value: bytes) -> int:
    found = _match(_COLUMNS, value, 0)
    return min(max(int(found[1] or b"1"), 1), MOST_COLUMNS)


def _match(pattern: re.Pattern[bytes], data: bytes, at: int) -> re.Match[bytes]:
    found = pattern.match(data, at)
    assert found is not None  # these patterns match the empty string
    return found
