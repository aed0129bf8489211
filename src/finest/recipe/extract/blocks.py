"""A page's HTML, read once from front to back, as blocks of text: no tree is built.

The reading is HTML's own tokenization, simplified: what stands in a page decides, not what a browser would mend. Blocks
end where an element begins or ends that browsers set apart, and at an empty line of `<br>`. The compiled core has the
same in `html.c` and `html_text.c`: every rule here stands there once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import NamedTuple

from finest.recipe.extract.tags import (
    BR,
    CELL,
    CLOSABLE,
    ENDS_P,
    GRAPHIC,
    HIDING,
    ITEM,
    LINK,
    LIST,
    PART,
    PUSHED,
    RAW,
    SKIPPED,
    TABLE,
    TAGS,
    VOID,
    Tag,
    kind_of,
    names_of,
)  # fmt: skip

SPACES = "\t\n\f\r "
"""White space of HTML's tags."""
MOST_OPEN = 256
"""Open elements that are kept in mind; what lies deeper belongs to the deepest of them."""
MOST_INDENT = 64
"""Characters of a line's indentation in `<pre>`."""
DROPPED = "\xad\u200b\u2060\ufeff"
"""Characters that show nothing: soft hyphen, zero width space, word joiner, byte order mark."""
SENTENCE_ENDS = ".!?:\"'\u2026\u3002\uff01\uff1f\u201d\u2019\xbb"
COMMAS = ",\u060c\u3001\uff0c"

_NO_SPACES = dict.fromkeys(map(ord, SPACES))
_NAME = re.compile(r"[^\t\n\f\r />]+")
_PRE = kind_of("pre")
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{33,}|[xX][0-9a-fA-F]{33,});?")
"""No character: `html.unescape` raises on thousands of digits, on most versions of Python."""
_LETTER = re.compile(r"[A-Za-z]")
_BLANK = {**dict.fromkeys((*range(0x20), 0x7F), " "), **dict.fromkeys(map(ord, DROPPED))}
_BLANK_IN_PRE = {code: blank for code, blank in _BLANK.items() if code not in (9, 10)}


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of text between two breaks, with what is around it."""

    text: str
    """White space is one space, but for line ends (of `<br>`, and in `<pre>`) and the indentation of `<pre>`."""
    chars: int
    """Characters that are no white space."""
    linked: int
    """Those inside links."""
    kind: int
    flags: int
    """Bits of FLAGS."""
    names: int
    """Groups of names that the block's `<p>` and the two innermost elements around it have, as bits."""
    is_item: bool
    """Whether a list item begins here."""
    is_cell: bool
    """Whether only the ends of table cells lie between the block before and this one."""


class _Open(NamedTuple):
    """An element that is open, and what stood before it and stands again when it closes."""

    tag: str
    flags: int
    names: int
    near: int


def read_blocks(html: str, groups: Mapping[str, int]) -> list[Block]:
    """The blocks of a page in their order; `groups` has the bits of the words that names are known by."""
    return _Reader(html, groups).read()


class _Reader:
    def __init__(self, html: str, groups: Mapping[str, int]) -> None:
        self.html, self.groups = html, groups
        self.blocks: list[Block] = []
        self.open: list[_Open] = []
        self.runs: list[tuple[str, bool]] = []
        """Text of the block so far, and whether it is a link's; a line's end is a run of its own."""
        self.flags = self.kind = self.names = self.near = self.own_names = self.breaks = 0
        self.skipped_from = self.link_from = -1
        """Depths at which a skipped element and a link began."""
        self.hidden = ""
        """Name of a hidden element that `open` does not hold; what it holds is passed over."""
        self.hidden_at = self.hidden_nested = 0
        """Open elements around it, and elements of its name within it."""
        self.is_item = self.is_cell = False
        self.missing: dict[str, int] = {}

    def read(self) -> list[Block]:
        at, end = 0, len(self.html)
        while at < end:
            tag = self.html.find("<", at)
            tag = end if tag < 0 else tag
            if tag > at:
                self.add_text(self.html[at:tag])
            at = self.read_markup(tag) if tag < end else end
        self.end_block()
        return self.blocks

    def find(self, what: str, start: int) -> int:
        """`str.find`, which looks for what is not there only once."""
        return self.once(what, start, lambda: self.html.find(what, start))

    def once(self, what: str, start: int, find: Callable[[], int]) -> int:
        """What `find` gives from `start` on: a place, or -1, which holds for all that follows."""
        if start >= self.missing.get(what, len(self.html) + 1):
            return -1
        at = find()
        if at < 0:
            self.missing[what] = start
        return at

    def after(self, what: str, start: int) -> int:
        """The place behind it; the page's end where it is not there."""
        at = self.html.find(what, start)
        return at + len(what) if at >= 0 else len(self.html)

    # ---- markup ----

    def read_markup(self, start: int) -> int:
        html = self.html
        following = html[start + 1 : start + 2]
        if following in ("!", "?"):
            end = self.find("-->", start + 2) if html.startswith("!--", start + 1) else -1
            return end + 3 if end >= 0 else self.after(">", start + 1)
        if following == "/":
            return self.read_end_tag(start + 2)
        if not _LETTER.match(following):
            self.add_text("<")
            return start + 1
        return self.read_start_tag(start + 1)

    def read_end_tag(self, start: int) -> int:
        name = _NAME.match(self.html, start)
        if name is None or not _LETTER.match(name[0]):
            return self.after(">", start)
        self.end_tag(_lower(name[0]))
        return self.after(">", name.end())

    def read_start_tag(self, start: int) -> int:
        found = _NAME.match(self.html, start)
        assert found is not None
        name = _lower(found[0])
        tag = TAGS.get(name)
        at, attributes = self.read_attributes(found.end())
        if at < 0:
            return len(self.html)
        if tag is None:
            self.start_other(name, attributes)
            return at
        if not tag.does & RAW:
            self.start_tag(name, tag, attributes)
            return at
        if tag.does & GRAPHIC and self.html[at - 2] == "/":
            return at
        return self.pass_over(name, tag, at)

    def pass_over(self, name: str, tag: Tag, start: int) -> int:
        """Behind the end tag. Without one the page ends, or, of a graphic, nothing is passed over."""
        at = self.once(name, start, lambda: self.find_end_tag(name, start))
        if at >= 0:
            return self.after(">", at)
        return start if tag.does & GRAPHIC else len(self.html)

    def find_end_tag(self, name: str, start: int) -> int:
        found = re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII).search(self.html, start)
        return found.end() if found else -1

    def read_attributes(self, at: int) -> tuple[int, list[tuple[str, str]]]:
        """The place behind the tag, or -1 where the page ends in it, and names and values as they are written."""
        html, end, found = self.html, len(self.html), list[tuple[str, str]]()
        while True:
            at = _past(html, at, end, SPACES + "/")
            if at >= end:
                return -1, found
            if html[at] == ">":
                return at + 1, found
            begin = at
            at = _up_to(html, at + 1, end, SPACES + "/>=")
            name, value = _lower(html[begin:at]), ""
            equal = _past(html, at, end, SPACES)
            if equal < end and html[equal] == "=":
                value, at = self.read_value(_past(html, equal + 1, end, SPACES))
            found.append((name, value))

    def read_value(self, at: int) -> tuple[str, int]:
        """A quote that nothing closes is no quote."""
        quote = self.html[at : at + 1]
        end = self.find(quote, at + 1) if quote in ('"', "'") else -1
        if end >= 0:
            return self.html[at + 1 : end], end + 1
        end = _up_to(self.html, at, len(self.html), SPACES + ">")
        return self.html[at:end], end

    # ---- elements ----

    @property
    def skips(self) -> bool:
        return self.skipped_from >= 0 or self.hidden != ""

    def start_other(self, name: str, attributes: list[tuple[str, str]]) -> None:
        """An element inside lines: only whether it is hidden matters."""
        if name == self.hidden:
            self.hidden_nested += 1
        elif not self.skips and any(_hides(*pair) for pair in attributes):
            self.hide(name)

    def hide(self, name: str) -> None:
        self.hidden, self.hidden_at, self.hidden_nested = name, len(self.open), 0

    def end_hidden(self, name: str) -> None:
        """An end tag ends the hidden element of its name, unless it is one within it."""
        if name != self.hidden:
            return
        self.hidden_nested -= 1
        if self.hidden_nested < 0:
            self.hidden = ""

    def start_tag(self, name: str, tag: Tag, attributes: list[tuple[str, str]]) -> None:
        if self.hidden and (name == self.hidden or (self.hidden == "p" and tag.does & ENDS_P)):
            if tag.does & PUSHED and name == self.hidden:
                self.hidden_nested += 1
            else:
                self.hidden = ""
        if tag.does & VOID:
            return
        if tag.does & BR:
            self.end_line()
        elif tag.does & LINK:
            if not self.skips and any(_hides(*pair) for pair in attributes):
                self.hide(name)
            elif not self.skips and any(key == "href" for key, _ in attributes):
                self.link_from = len(self.open)
        else:
            self.start_block(name, tag, attributes)

    def start_block(self, name: str, tag: Tag, attributes: list[tuple[str, str]]) -> None:
        self.break_here(tag)
        if tag.ends:
            self.end_innermost(tag)
        names = 0 if self.skips or name in ("body", "html") else names_of(attributes, self.groups)
        hidden = not self.skips and name not in ("body", "html") and any(_hides(*pair) for pair in attributes)
        if not tag.does & PUSHED:
            self.kind, self.own_names = tag.kind, names
            if hidden and tag.does & CLOSABLE:
                self.hide(name)
            return
        if len(self.open) == MOST_OPEN:
            if hidden:
                self.hide(name)
            return
        self.open.append(_Open(name, self.flags, self.names, self.near))
        self.flags |= tag.flag
        self.near, self.names = self.names | names, names
        self.kind = tag.kind
        self.is_item |= tag.family == ITEM
        if self.skipped_from < 0 and (hidden or tag.does & SKIPPED):
            self.skipped_from = len(self.open) - 1

    def end_innermost(self, tag: Tag) -> None:
        for depth in range(len(self.open) - 1, -1, -1):
            family = TAGS[self.open[depth].tag].family
            if family & tag.ends:
                return self.close(depth)
            if family & tag.within:
                return None
        return None

    def end_tag(self, name: str) -> None:
        tag = TAGS.get(name)
        self.end_hidden(name)
        if tag is None or tag.does & (RAW | VOID):
            return
        if tag.does & BR:
            self.end_line()
        elif tag.does & LINK:
            self.link_from = -1
        else:
            self.break_here(tag)
            self.is_item &= not tag.family & (ITEM | LIST)
            if tag.does & PUSHED:
                self.end_element(name, tag)
            else:
                self.kind = self.kind_around()

    def end_element(self, name: str, tag: Tag) -> None:
        """An end tag does not reach out of a table, unless it is of the table itself."""
        for depth in range(len(self.open) - 1, -1, -1):
            if self.open[depth].tag == name:
                return self.close(depth)
            if TAGS[self.open[depth].tag].family & TABLE and not tag.family & PART:
                return None
        return None

    def close(self, depth: int) -> None:
        _, self.flags, self.names, self.near = self.open[depth]
        del self.open[depth:]
        if self.skipped_from >= depth:
            self.skipped_from = -1
        if self.link_from > depth:
            self.link_from = -1
        if self.hidden_at > depth:
            self.hidden = ""
        self.kind = self.kind_around()

    def kind_around(self) -> int:
        return TAGS[self.open[-1].tag].kind if self.open else 0

    # ---- text ----

    def add_text(self, text: str) -> None:
        if self.skips:
            return
        text = unescape(_LONG_NUMBER.sub("\ufffd", text)).translate(_BLANK_IN_PRE if self.in_pre else _BLANK)
        self.runs.append((text, self.link_from >= 0))
        if text and not text.isspace():
            self.breaks = 0

    def end_line(self) -> None:
        if self.skips:
            return
        self.breaks += 1
        if self.breaks == 2:
            self.end_block()
            self.is_cell = False
        else:
            self.runs.append(("\n", False))

    @property
    def in_pre(self) -> bool:
        return self.kind == _PRE

    def end_block(self) -> None:
        self.breaks = 0
        text = "\n".join(filter(None, map(self.line, self.lines())))
        if text:
            chars, linked = (
                len("".join(text.split())),
                sum(len("".join(run.split())) for run, linked in self.runs if linked),
            )
            near = self.near | self.own_names
            self.blocks.append(Block(text, chars, linked, self.kind, self.flags, near, self.is_item, self.is_cell))
            self.is_item, self.is_cell = False, True
        self.runs.clear()

    def break_here(self, tag: Tag) -> None:
        self.end_block()
        self.own_names = 0
        self.is_cell &= bool(tag.does & CELL)

    def lines(self) -> Iterable[str]:
        return "".join(run for run, _ in self.runs).split("\n")

    def line(self, line: str) -> str:
        text = " ".join(line.split())
        if not text or not self.in_pre:
            return text
        indent = line[: len(line) - len(line.lstrip())][:MOST_INDENT]
        return "".join("\t" if char == "\t" else " " for char in indent) + text


def _hides(key: str, value: str) -> bool:
    if key == "style":
        return any(_bare(part.partition("!")[0]) in HIDING for part in value.split(";"))
    return key == "hidden" or (key == "aria-hidden" and _bare(value) == "true")


def _bare(value: str) -> str:
    """Without white space, and in lower case where all of it is ASCII."""
    return _lower(value.translate(_NO_SPACES))


def _lower(name: str) -> str:
    return name.lower() if name.isascii() else name


def _past(html: str, at: int, end: int, chars: str) -> int:
    while at < end and html[at] in chars:
        at += 1
    return at


def _up_to(html: str, at: int, end: int, chars: str) -> int:
    while at < end and html[at] not in chars:
        at += 1
    return at
