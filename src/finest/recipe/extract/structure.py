"""Read a page for engine `blocks-2`: blocks of text that know their structure, in one pass and without a tree.

The reader is that of `blocks` with more to remember. Inline structure stays in the text of a block as marks, which
`render` turns into Markdown or drops. `structure.c` of the compiled core implements the same rules; keep the two in
sync.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from finest.recipe.extract import structure_tags as roles
from finest.recipe.extract.formulas import Formula, style_of
from finest.recipe.extract.markup import Attributes
from finest.recipe.extract.parts import BULLET, DEFINITION, IN_CODE, NO_MARKER, ORDINAL, Around, Page, Table
from finest.recipe.extract.structure_text import MOST_LISTS, TextReader
from finest.recipe.extract.tags import INLINE, ITEM, LIST, SKIPPED, TERM, TERMS, Tag

MOST_COLUMNS = 64
"""Limit on a table's columns; further cells belong to the last one."""
MOST_MARGIN = 60
"""Limit on the width of the margin of nested lists, in characters."""
MOST_QUOTES = 8
MOST_ROWSPAN = 1000
MOST_NUMBER = 999_999
STREAMED, RENDERED_ID = "S:", "MathJax-Element-"
"""Beginnings of ids: of hidden elements that React's scripts move into place, and of what MathJax drew."""
_TEX_SIGNS = re.compile(r"[\\^_{]")


def read_page(html: str, groups: Mapping[str, int]) -> Page:
    """Return the blocks of a page; `groups` maps words of names to the bits of their groups.

    Raises ExtractionLimit if reading takes more than MOST_STEPS steps.
    """
    reader = StructureReader(html, groups)
    reader.read()
    return reader.page


def around(before: Around, tag: Tag, names: int, number: int) -> Around:
    """Return what is around a block inside one more element."""
    code = tag.does + (tag.kind << 12) + (tag.flag << 16) + (tag.role << 25)
    path = ((before.path + code) * 0x9E3779B1 & 0xFFFFFFFF) ^ names
    return Around(before.above | names, path, (number, *before.nests[:-1]))


class StructureReader(TextReader):
    """The reader of engine `blocks-2`."""

    tags = roles.STRUCTURE_TAGS

    def __init__(self, html: str, groups: Mapping[str, int]) -> None:
        super().__init__(html, groups)
        self.unscripted_from = -1
        """Depth at which `<noscript>` or `<noframes>` began, or -1."""
        self.next_column = self.entered = 0
        self.until = [0] * MOST_COLUMNS
        """Number of the row from which a column of the table is free of cells that span rows."""

    def read_markup(self, start: int) -> int:
        self.drawn = False
        return super().read_markup(start)

    def hides(self, name: str, attributes: Attributes) -> bool:
        says = roles.class_bits(attributes)
        if says & roles.RENDERED or (
            says & roles.NUMBERS and (self.pre_from >= 0 or name in ("span", "td", "th", "pre"))
        ):
            return True
        if super().hides(name, attributes):
            return not says & roles.SOURCE and not roles.value_of(attributes, "id").startswith(STREAMED)
        return roles.value_of(attributes, "id").startswith(RENDERED_ID)

    def start_other(self, name: str, attributes: Attributes, *, closed: bool) -> None:
        tag = self.tags.get(name)
        role = 0 if tag is None else tag.role
        if self.math is not None:
            if role >= roles.MATHML:
                self.math.start(role, style_of(role, attributes))
                if closed:
                    self.math.end(role)
                return
            if role in (0, roles.SPAN):
                return
            self.end_math()
        if role >= roles.MATHML:
            return
        if role == roles.IMAGE:
            if not self.skips and not super().hides(name, attributes):
                self.add_image(attributes)
            return
        super().start_other(name, attributes, closed=closed)
        if not self.skips:
            self.start_role(role, attributes)

    def start_role(self, role: int, attributes: Attributes) -> None:
        """Take note of an inline element."""
        self.drawn = role == roles.SPAN and bool(roles.class_bits(attributes) & roles.DRAWN)
        if role == roles.CODE:
            self.code_from = len(self.open)
            if self.pre_from < 0:
                self.mark(IN_CODE)
            elif not self.language:
                self.language = roles.language_in(attributes)
        elif role in (roles.RUBY, roles.RUBY_TEXT, roles.RUBY_MARK):
            self.set_ruby(0 if role == roles.RUBY else role)

    def start_tag(self, name: str, tag: Tag, attributes: Attributes) -> None:
        if self.math is not None:
            self.end_math()
        if tag.role == roles.HEAD and self.open:
            return
        if tag.role == roles.BODY and self.in_head:
            self.end_tag("head")
        super().start_tag(name, tag, attributes)

    @property
    def in_head(self) -> bool:
        return bool(self.open) and self.open[0].tag == "head"

    def is_skipped(self, tag: Tag, attributes: Attributes) -> bool:
        return bool(tag.does & SKIPPED) and not (tag.role == roles.TEMPLATE and roles.is_shadow(attributes))

    def enter(self, tag: Tag, attributes: Attributes) -> None:
        role, shape = tag.role, self.shape
        self.entered += 1
        self.around = around(self.around, tag, self.names, self.entered)
        if self.skips or self.pre_from >= 0:
            return
        says = roles.class_bits(attributes)
        self.is_line, self.drawn = bool(says & roles.CODE_LINE), bool(says & roles.DRAWN)
        if self.is_line or (role == 0 and roles.keeps_lines(attributes)):
            role = roles.PREFORMATTED
        if roles.H1 <= role <= roles.H6:
            self.shape = shape._replace(level=role - roles.H1 + 1)
        elif role in (roles.BULLETS, roles.NUMBERED):
            self.enter_list(role == roles.NUMBERED, attributes)
        elif role == roles.LIST_ITEM:
            self.counters[shape.lists] = min(self.counters[shape.lists] + 1, MOST_NUMBER)
            self.marker = ORDINAL if shape.ordered else BULLET
        elif role == roles.DEFINED:
            self.marker = DEFINITION
        elif role == roles.QUOTED:
            self.shape = shape._replace(quotes=min(shape.quotes + 1, MOST_QUOTES))
        elif role == roles.PREFORMATTED:
            self.pre_from = len(self.open) - 1
            self.mark("")
            self.language = roles.language_in(attributes)
        elif role == roles.UNSCRIPTED:
            if self.unscripted_from < 0:
                self.unscripted_from, self.found = len(self.open) - 1, self.page.unscripted
        else:
            self.enter_table(role, attributes)

    def enter_list(self, ordered: bool, attributes: Attributes) -> None:
        shape = self.shape
        lists, width = min(shape.lists + 1, MOST_LISTS), 3 if ordered else 2
        self.shape = shape._replace(
            lists=lists, width=width, ordered=ordered, margin=min(shape.margin + width, MOST_MARGIN)
        )
        self.counters[lists] = roles.number_of(attributes, "start", 1) - 1 if ordered else 0

    def enter_table(self, role: int, attributes: Attributes) -> None:
        shape, tables = self.shape, self.page.tables
        if role == roles.TABLE_ROOT:
            if shape.table >= 0:
                tables[shape.table].nested = True
            self.shape = shape._replace(table=len(tables), in_cell=False)
            role_name = roles.dense(roles.value_of(attributes, "role"))
            tables.append(Table(presentation=role_name in ("presentation", "none")))
            self.row = self.next_column = 0
            self.until = [0] * MOST_COLUMNS
        elif shape.table >= 0 and not tables[shape.table].nested:
            table = tables[shape.table]
            if role == roles.TABLE_ROW:
                table.rows += 1
                self.next_column = 0
            elif role in (roles.TABLE_CELL, roles.HEADER_CELL):
                self.enter_cell(table, role == roles.HEADER_CELL, attributes)

    def enter_cell(self, table: Table, heads: bool, attributes: Attributes) -> None:
        table.rows = max(table.rows, 1)
        self.row, at = table.rows - 1, self.next_column
        while at < MOST_COLUMNS - 1 and self.until[at] > self.row:
            at += 1
        span = min(max(roles.number_of(attributes, "colspan", 1), 1), MOST_COLUMNS - at)
        below = self.row + min(max(roles.number_of(attributes, "rowspan", 1), 1), MOST_ROWSPAN)
        self.until[at : at + span] = [below] * span
        self.column, self.next_column = at, min(at + span, MOST_COLUMNS - 1)
        self.shape = self.shape._replace(in_cell=True)
        table.columns = max(table.columns, at + span)
        table.cells += 1
        table.headed |= heads
        self.cell_chars = 0

    def end_tag(self, name: str) -> None:
        tag = self.tags.get(name)
        role = 0 if tag is None else tag.role
        if self.math is not None:
            if role >= roles.MATHML:
                self.math.end(role)
            if role >= roles.MATHML or role == roles.SPAN or tag is None:
                return
            self.end_math()
        if role == roles.HEAD and not self.in_head:
            return
        super().end_tag(name)
        if tag is None or self.skips:
            return
        if tag.does & INLINE:
            self.end_role(role)
        elif tag.family & (ITEM | LIST | TERM | TERMS):
            self.marker = NO_MARKER

    def end_role(self, role: int) -> None:
        if role == roles.CODE:
            self.code_from = -1
            self.mark("")
        elif role in (roles.RUBY, roles.RUBY_TEXT, roles.RUBY_MARK):
            self.set_ruby(0)

    def end_innermost(self, tag: Tag) -> None:
        self.spend(len(self.open))
        super().end_innermost(tag)

    def end_element(self, name: str, tag: Tag) -> None:
        self.spend(len(self.open))
        super().end_element(name, tag)

    def close(self, depth: int) -> None:
        if self.pre_from >= depth:
            self.end_block()
            self.pre_from = -1
        if self.code_from > depth:
            self.code_from = -1
            self.mark("")
        if self.unscripted_from >= depth:
            self.unscripted_from, self.found = -1, self.page.shown
        super().close(depth)

    # ---- formulas ----

    def pass_over(self, name: str, tag: Tag, start: int, attributes: Attributes) -> int:
        if self.math is not None:
            self.end_math()
        if not self.skips and tag.role in (roles.SCRIPT, roles.MATH):
            return self.read_formula(name, tag, start, attributes)
        return super().pass_over(name, tag, start, attributes)

    def read_formula(self, name: str, tag: Tag, start: int, attributes: Attributes) -> int:
        """Read `<math>`, or a script whose content is TeX."""
        if tag.role == roles.SCRIPT:
            kind, after = (
                roles.dense(roles.value_of(attributes, "type")),
                super().pass_over(name, tag, start, attributes),
            )
            if kind.startswith(("math/tex", "math/asciimath")):
                end = self.once(name, start, lambda: self.find_end_tag(name, start))
                tex = self.html[start : len(self.html) if end < 0 else end - len(name) - 2]
                self.add_formula(tex, display="mode=display" in kind)
            return after
        if super().hides(name, attributes):
            return super().pass_over(name, tag, start, attributes)
        display = (
            roles.dense(roles.value_of(attributes, "display")) == "block"
            or roles.dense(roles.value_of(attributes, "mode")) == "display"
        )
        tex = roles.value_of(attributes, "alttext")
        if _TEX_SIGNS.search(tex):
            self.add_formula(roles.tex_of(tex), display)
            return super().pass_over(name, tag, start, attributes)
        self.math = Formula(display=display)
        return start

    def add_image(self, attributes: Attributes) -> None:
        """Add the TeX of an image of a formula."""
        source = roles.lower_ascii(roles.value_of(attributes, "src"))
        if roles.class_bits(attributes) & roles.TEX or any(part in source for part in roles.TEX_SOURCES):
            tex = roles.value_of(attributes, "alt") or roles.value_of(attributes, "src").partition("?")[2]
            self.add_formula(roles.tex_of(tex), display=False)
