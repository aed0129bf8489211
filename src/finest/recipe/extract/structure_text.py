"""The text of blocks for engine `blocks-2`: words, white space, lines, marks and formulas; no elements.

`structure_text.c` of the compiled core implements the same rules; keep the two in sync.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from finest.recipe.extract import structure_tags as roles
from finest.recipe.extract.blocks import _BLANK, _BLANK_IN_PRE, Reader
from finest.recipe.extract.formulas import Formula
from finest.recipe.extract.limit import ExtractionLimit
from finest.recipe.extract.parts import (
    ENDED,
    IN_CODE,
    IN_LINE,
    NO_MARKER,
    ON_DISPLAY,
    PRE,
    Around,
    Page,
    Part,
    Shape,
    continues,
    dedented,
    joined,
    unmarked,
)  # fmt: skip
from finest.recipe.extract.structure_tags import plain_of
from finest.recipe.extract.tags import Tag

MOST_STEPS = 1 << 22
"""Limit on the open elements that end tags are compared with, the bytes of TeX that MathML is made of, and blocks. Of
4,236 pages, the one that needs most takes 460,000 without its blocks, and of those made to be hard, one takes
1,035,000."""
BLOCK_STEPS = 16
"""Steps of a block: a page has at most 262,144, which take 150 MB."""
TOO_MANY_STEPS = f"the page takes more than {MOST_STEPS} steps"
MOST_LISTS = 15
"""Limit on nested lists that are counted."""
MOST_BLANKS = 64
"""Limit on consecutive blank characters in code."""
ENVIRONMENT = "\\begin{"
"""The beginning of formulas that MathJax is to draw: a block that has it is taken for formulas."""
MOST_NEWLINES = 3
"""Limit on consecutive line ends in code: two blank lines."""
_PARTS = re.compile(r"\S+|\s")
_DIGITS = re.compile(r"[0-9]{1,6}")


class TextReader(Reader):
    """A reader that adds words, white space and marks to blocks."""

    def __init__(self, html: str, groups: Mapping[str, int]) -> None:
        super().__init__(html, groups)
        self.page = Page()
        self.found = self.page.shown
        self.shape: Shape = Shape()
        self.around: Around = Around()
        self.pre_from = self.code_from = -1
        """Depths at which preformatted text and code in a line began, or -1."""
        self.drawn = False
        """Whether an element has just begun whose text is a formula that MathJax is to draw."""
        self.is_line = False
        """Whether the preformatted text is one line of code."""
        self.math: Formula | None = None
        self.counters = [0] * (MOST_LISTS + 1)
        """Number of the last item of the list at each depth."""
        self.row = self.column = self.cell_chars = 0
        self.marker = NO_MARKER
        self.language = ""
        self.ruby = 0
        """roles.RUBY_TEXT or roles.RUBY_MARK inside of those elements."""
        self.steps = 0
        self.out: list[str] = []
        self.chars = self.linked = self.code_chars = self.formula_chars = 0
        self.newlines, self.blanks, self.wanted = 0, "", ""
        """Line ends, white space and a mark that precede the next word."""
        self.marked = ""
        """The mark that has not ended yet."""
        self.begun = False
        """Whether the line has a word."""

    def spend(self, steps: int) -> None:
        """Count steps; raises ExtractionLimit if there are too many."""
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise ExtractionLimit(TOO_MANY_STEPS)

    def end_math(self) -> None:
        math = self.math
        assert math is not None
        self.math = None
        self.spend(math.steps)
        self.add_formula(math.finish(), math.display)

    def add_formula(self, tex: str, display: bool) -> None:
        tex = tex.translate(_BLANK)
        if not tex or tex.isspace():
            return
        if display and self.begun:
            self.newline()
        self.mark(ON_DISPLAY if display else IN_LINE)
        pending, self.blanks = self.blanks, ""
        for word in tex.split():
            self.put(word, pending)
            self.formula_chars += len(word)
            pending = " "
        self.mark(IN_CODE if self.code_from >= 0 and self.pre_from < 0 else "")
        if display:
            self.newline()

    def add_text(self, text: str) -> None:
        if self.skips or self.ruby == roles.RUBY_MARK:
            return
        if self.math is not None:
            self.math.text(plain_of(text).translate(_BLANK))
            return
        if self.drawn and self.pre_from < 0 and self.code_from < 0:
            tex, display = roles.delimited(text)
            if tex:
                self.add_formula(roles.tex_of(tex), display)
                return
        text = plain_of(text).translate(_BLANK_IN_PRE if self.pre_from >= 0 else _BLANK)
        for part in _PARTS.findall(text):
            if part.isspace():
                self.add_blank(part)
            else:
                self.put(part, self.blanks)

    def add_blank(self, char: str) -> None:
        """Keep white space in `<pre>`, and no-break spaces in code; elsewhere it is one space between words."""
        if self.pre_from >= 0 and char == "\n":
            self.newline()
        elif self.pre_from >= 0 or (self.code_from >= 0 and char == "\xa0"):
            if len(self.blanks) < MOST_BLANKS:
                self.blanks += "\t" if char == "\t" else " "
        elif self.begun and not self.blanks:
            self.blanks = " "

    def put(self, word: str, blanks: str) -> None:
        """Add a word after the line ends and the white space that precede it."""
        if self.newlines and self.chars:
            self.out.append("\n" * self.newlines)
        self.out += [blanks, self.wanted, word]
        self.marked = self.wanted or self.marked
        self.newlines, self.wanted, self.blanks, self.begun, self.breaks = 0, "", "", True, 0
        self.chars += len(word)
        self.linked += len(word) * (self.link_from >= 0)
        self.code_chars += len(word) * (self.code_from >= 0)

    def mark(self, mark: str) -> None:
        """End what is marked, and mark what comes next."""
        if self.marked:
            self.out.append(ENDED)
        self.marked, self.wanted = "", mark

    def newline(self) -> None:
        most = MOST_NEWLINES if self.pre_from >= 0 or self.code_from >= 0 else 1
        self.newlines = min(self.newlines + 1, most)
        self.blanks, self.begun = "", False
        if self.marked:
            self.mark(self.marked)

    def end_line(self) -> None:
        if self.skips:
            return
        if self.pre_from >= 0 or self.code_from >= 0:
            self.newline()
            return
        self.breaks += 1
        if self.breaks == 2:
            self.end_block()
            self.is_cell = False
        else:
            self.newline()

    def set_ruby(self, role: int) -> None:
        """Put the reading of a ruby in parentheses; those of the page (`<rp>`) are dropped."""
        if self.ruby == roles.RUBY_TEXT:
            self.put(")", "")
        if role == roles.RUBY_TEXT:
            self.put("(", self.blanks)
        self.ruby = role

    def break_here(self, tag: Tag) -> None:
        if self.pre_from >= 0:
            if self.begun:
                self.newline()
            return
        super().break_here(tag)

    def clear(self) -> None:
        """Start a block."""
        self.out = []
        self.chars = self.linked = self.code_chars = self.formula_chars = self.newlines = 0
        self.blanks = self.marked = ""
        self.begun = False
        self.wanted = IN_CODE if self.code_from >= 0 and self.pre_from < 0 else ""

    def end_block(self) -> None:
        self.breaks = 0
        if self.math is not None:
            self.end_math()
        if self.ruby:
            self.set_ruby(0)
        self.mark("")
        if self.chars:
            self.add_part("".join(self.out))
        self.clear()

    def add_part(self, marked: str) -> None:
        self.spend(BLOCK_STEPS)
        in_pre = self.pre_from >= 0
        is_line = in_pre and (self.is_line or "\n" not in marked)
        if in_pre and not is_line:
            marked = dedented(marked)
        text = unmarked(marked)
        if in_pre and _is_numbers(text):
            return
        shape, kind = self.shape, PRE if in_pre else self.kind
        in_cell = shape.in_cell and not self.page.tables[shape.table].nested
        part = Part(
            text, self.chars, self.linked, kind, self.flags, self.near | self.own_names, self.is_item, self.is_cell,
            marked, shape, NO_MARKER if in_pre and self.is_line else self.marker, self.counters[shape.lists],
            self.row if in_cell else -1, self.column, in_pre or self.code_chars == self.chars,
            2 * self.formula_chars >= self.chars or ENVIRONMENT in marked, self.language if in_pre else "",
            len(self.open), is_line, self.around,
        )  # fmt: skip
        if in_cell:
            table = self.page.tables[shape.table]
            self.cell_chars += self.chars
            table.longest = max(table.longest, self.cell_chars)
        if self.found and continues(self.found[-1], part):
            self.found[-1] = joined(self.found[-1], part)
        else:
            self.found.append(part)
        self.is_item, self.is_cell, self.marker = False, True, NO_MARKER


def _is_numbers(text: str) -> bool:
    """Whether the lines are numbers that count up: two or more of them."""
    lines = text.split()
    if len(lines) < 2 or not all(map(_DIGITS.fullmatch, lines)):
        return False
    numbers = list(map(int, lines))
    return all(after == before + 1 for before, after in pairwise(numbers))
