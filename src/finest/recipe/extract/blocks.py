"""Split a page's HTML into blocks of text, in one pass and without building a tree.

The reader follows a simplified form of HTML's tokenization and does not repair markup as browsers do. A block ends
where a block-level element begins or ends, and at two consecutive `<br>`. `blocks.c` and `blocks_text.c` of the
compiled core implement the same rules; keep them in sync.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any, ClassVar, NamedTuple

from finest.recipe.extract.markup import Attributes, Markup
from finest.recipe.extract.tags import (
    BR,
    CELL,
    CLOSABLE,
    ENDS_P,
    FORMATTING,
    GRAPHIC,
    INLINE,
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
    hides,
    kind_of,
    lower,
    names_of,
)  # fmt: skip

MOST_OPEN = 256
"""Limit on tracked open elements; the content of deeper ones counts as content of the deepest tracked one."""
MOST_INDENT = 64
"""Limit on the characters of a line's indentation in `<pre>`."""
DROPPED = "\xad\u200b\u2060\ufeff"
"""Invisible characters: soft hyphen, zero width space, word joiner, byte order mark."""
SENTENCE_ENDS = ".!?:\"'\u2026\u3002\uff01\uff1f\u201d\u2019\xbb"
COMMAS = ",\u060c\u3001\uff0c"

_NAME = re.compile(r"[^\t\n\f\r />]+")
_PRE, _PARAGRAPH = kind_of("pre"), kind_of("paragraph")
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{33,}|[xX][0-9a-fA-F]{33,});?")
"""Matches numeric references too long to be a character; on thousands of digits `html.unescape` raises on most versions
of Python."""
_LETTER = re.compile(r"[A-Za-z]")
_BLANK = {**dict.fromkeys((*range(1, 0x20), 0x7F), " "), **dict.fromkeys(map(ord, DROPPED + "\0"))}
_BLANK_IN_PRE = {code: blank for code, blank in _BLANK.items() if code not in (9, 10)}


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of text between two breaks, with properties of the elements around it."""

    text: str
    """The text, with white space collapsed except for line ends (of `<br>`, in `<pre>`) and indentation in `<pre>`."""
    chars: int
    """Number of characters that are not white space."""
    linked: int
    """Number of these characters that are inside links."""
    kind: int
    flags: int
    """Bits of FLAGS."""
    names: int
    """Bits of the name groups of the block's `<p>` and of the two innermost elements around it."""
    is_item: bool
    """Whether a list item begins with this block."""
    is_cell: bool
    """Whether only boundaries of table cells separate this block from the previous one."""


class _Open(NamedTuple):
    """An open element and the reader state to restore when it closes."""

    tag: str
    flags: int
    names: int
    near: int
    shape: Any
    around: Any
    """State of other engines, with `shape`."""


def read_blocks(html: str, groups: Mapping[str, int]) -> list[Block]:
    """Return the blocks of a page in their order; `groups` maps words of names to the bits of their groups."""
    return Reader(html, groups).read()


class Reader(Markup):
    """Reads a page for engine `blocks-1`; `structure.StructureReader` reads one for `blocks-2`."""

    tags: ClassVar[Mapping[str, Tag]] = TAGS

    def __init__(self, html: str, groups: Mapping[str, int]) -> None:
        super().__init__(html)
        self.groups = groups
        self.blocks: list[Block] = []
        self.open: list[_Open] = []
        self.runs: list[tuple[str, bool]] = []
        """Texts of the block so far, each with whether it is inside a link; a line end is a separate run."""
        self.flags = self.kind = self.names = self.near = self.own_names = self.breaks = 0
        self.skipped_from = self.link_from = -1
        """Depths at which a skipped element and a link began, or -1."""
        self.hidden = ""
        """Name of an open hidden element that is not in `open`; its content is skipped."""
        self.hidden_at = self.hidden_nested = 0
        """Number of open elements around the hidden one, and of open elements of its name inside it."""
        self.hidden_in_p = False
        """Whether the end of a `<p>` ends the hidden element."""
        self.is_item = self.is_cell = False
        self.shape: Any = None
        self.around: Any = None

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
        self.end_tag(lower(name[0]))
        return self.after(">", name.end())

    def read_start_tag(self, start: int) -> int:
        found = _NAME.match(self.html, start)
        assert found is not None
        name = lower(found[0])
        tag = self.tags.get(name)
        at, attributes = self.read_attributes(found.end())
        if at < 0:
            return len(self.html)
        if tag is None or tag.does & INLINE:
            self.start_other(name, attributes, closed=self.html[at - 2] == "/")
            return at
        if not tag.does & RAW:
            self.start_tag(name, tag, attributes)
            return at
        if tag.does & GRAPHIC and self.html[at - 2] == "/":
            return at
        return self.pass_over(name, tag, at, attributes)

    def pass_over(self, name: str, tag: Tag, start: int, attributes: Attributes) -> int:  # noqa: ARG002
        """Return the index after the end tag of an element that is skipped; without one, skip the rest of the page.

        A graphic without an end tag is not skipped.
        """
        at = self.once(name, start, lambda: self.find_end_tag(name, start))
        if at >= 0:
            return self.after(">", at)
        return start if tag.does & GRAPHIC else len(self.html)

    # ---- elements ----

    @property
    def skips(self) -> bool:
        return self.skipped_from >= 0 or self.hidden != ""

    def start_other(self, name: str, attributes: Attributes, *, closed: bool) -> None:  # noqa: ARG002
        """Start an inline element; only whether it is hidden matters."""
        if name == self.hidden:
            self.hidden_nested += 1
        elif not self.skips and self.hides(name, attributes):
            self.hide(name)

    def hides(self, name: str, attributes: Attributes) -> bool:  # noqa: ARG002 - for other engines
        """Return whether the element with these attributes is hidden."""
        return any(hides(*pair) for pair in attributes)

    def hide(self, name: str) -> None:
        self.hidden, self.hidden_at, self.hidden_nested = name, len(self.open), 0
        self.hidden_in_p = self.kind == _PARAGRAPH and name not in FORMATTING

    def end_hidden(self, name: str) -> None:
        """End the hidden element if this end tag is its own, and not of one nested in it, or ends the `<p>` around."""
        self.hidden_nested -= name == self.hidden
        if self.hidden_nested < 0 or (name == "p" and self.hidden_in_p):
            self.hidden = ""

    def start_tag(self, name: str, tag: Tag, attributes: Attributes) -> None:
        if self.hidden and (name == self.hidden or (self.hidden_in_p and tag.does & ENDS_P)):
            if tag.does & PUSHED and name == self.hidden:
                self.hidden_nested += 1
            else:
                self.hidden = ""
        if tag.does & VOID:
            return
        if tag.does & BR:
            self.end_line()
        elif tag.does & LINK:
            if not self.skips and self.hides(name, attributes):
                self.hide(name)
            elif not self.skips and any(key == "href" for key, _ in attributes):
                self.link_from = len(self.open)
        else:
            self.start_block(name, tag, attributes)

    def start_block(self, name: str, tag: Tag, attributes: Attributes) -> None:
        self.break_here(tag)
        if tag.ends:
            self.end_innermost(tag)
        names = 0 if self.skips or name in ("body", "html") else names_of(attributes, self.groups)
        hidden = not self.skips and name not in ("body", "html") and self.hides(name, attributes)
        if not tag.does & PUSHED:
            self.kind, self.own_names = tag.kind, names
            if hidden and tag.does & CLOSABLE:
                self.hide(name)
            return
        if len(self.open) == MOST_OPEN:
            if hidden:
                self.hide(name)
                self.hidden_in_p = False
            return
        self.open.append(_Open(name, self.flags, self.names, self.near, self.shape, self.around))
        self.flags |= tag.flag
        self.near, self.names = self.names | names, names
        self.kind = tag.kind
        self.is_item |= tag.family == ITEM
        if self.skipped_from < 0 and (hidden or self.is_skipped(tag, attributes)):
            self.skipped_from = len(self.open) - 1
        self.enter(tag, attributes)

    def is_skipped(self, tag: Tag, attributes: Attributes) -> bool:  # noqa: ARG002 - for other engines
        """Return whether the element with these attributes is skipped with its content."""
        return bool(tag.does & SKIPPED)

    def enter(self, tag: Tag, attributes: Attributes) -> None:
        """Take note of an element that has been opened; for other engines."""

    def end_innermost(self, tag: Tag) -> None:
        for depth in range(len(self.open) - 1, -1, -1):
            family = self.tags[self.open[depth].tag].family
            if family & tag.ends:
                return self.close(depth)
            if family & tag.within:
                return None
        return None

    def end_tag(self, name: str) -> None:
        tag = self.tags.get(name)
        self.end_hidden(name)
        if tag is None or tag.does & (RAW | VOID | INLINE):
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
        """Close the innermost element of that name; only end tags of table parts close elements across a table."""
        for depth in range(len(self.open) - 1, -1, -1):
            if self.open[depth].tag == name:
                return self.close(depth)
            if self.tags[self.open[depth].tag].family & TABLE and not tag.family & PART:
                return None
        return None

    def close(self, depth: int) -> None:
        _, self.flags, self.names, self.near, self.shape, self.around = self.open[depth]
        del self.open[depth:]
        if self.skipped_from >= depth:
            self.skipped_from = -1
        if self.link_from > depth:
            self.link_from = -1
        if self.hidden_at > depth:
            self.hidden = ""
        self.kind = self.kind_around()

    def kind_around(self) -> int:
        return self.tags[self.open[-1].tag].kind if self.open else 0

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
