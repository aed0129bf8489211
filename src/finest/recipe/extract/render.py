"""Write blocks with their structure as plain text or as Markdown; `render.c` of the compiled core does the same.

Plain text has a line for each line of a block, `- ` or `1. ` before list items, tabs between the cells of a row, and
code as it stands. Markdown adds `#`, `>`, fences, `|`, back quotes and `$`, and empty lines between blocks. It
escapes no character but `|` in cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from finest.recipe.extract.parts import (
    BULLET,
    DEFINITION,
    ENDED,
    IN_CODE,
    IN_LINE,
    NO_MARKER,
    ON_DISPLAY,
    PRE,
    Part,
    Table,
)

LEAST_ROWS = LEAST_COLUMNS = 2
MOST_CELL = 300
"""Characters of the longest cell of a table of data."""
MOST_HEADED_CELL = 1000
"""The same, of a table with header cells."""
_SIGNS = {IN_CODE: "`", IN_LINE: "$", ON_DISPLAY: "$$"}


def is_data(table: Table) -> bool:
    """Return whether the table holds data, rather than lays out the page."""
    most = MOST_HEADED_CELL if table.headed else MOST_CELL
    return (
        not table.nested and not table.presentation and table.rows >= LEAST_ROWS and table.columns >= LEAST_COLUMNS
        and 2 * table.cells >= 3 * table.rows and table.longest <= most
    )  # fmt: skip


def table_of(part: Part, tables: Sequence[Table]) -> int:
    """Return the number of the table of data in a cell of which the block is, or -1."""
    return part.shape.table if part.row >= 0 and is_data(tables[part.shape.table]) else -1


def render(parts: Sequence[Part], kept: Sequence[bool], tables: Sequence[Table], *, markdown: bool) -> str:
    """Return the text of the kept blocks."""
    writer = _Writer(tables, markdown=markdown)
    for part, keep in zip(parts, kept, strict=True):
        if keep:
            writer.write(part)
    writer.end_table()
    return "".join(writer.out)


class _Writer:
    def __init__(self, tables: Sequence[Table], *, markdown: bool) -> None:
        self.tables, self.markdown = tables, markdown
        self.out: list[str] = []
        self.table = -1
        """The table of data that is being written, or -1."""
        self.row = self.column = 0
        self.headed = False
        """Whether the line below the first row has been written."""
        self.before: Part | None = None

    def write(self, part: Part) -> None:
        table = table_of(part, self.tables)
        if table < 0 or table != self.table:
            self.end_table()
            self.separate(part)
        if table >= 0:
            self.write_cell(part, table)
        elif part.kind == PRE or (part.is_code and "\n" in part.text):
            self.write_code(part)
        else:
            self.write_lines(part)
        self.before = part

    def separate(self, part: Part) -> None:
        """End the last block's line; in Markdown, an empty line follows but between items and before definitions."""
        if self.before is None:
            return
        tight = (part.marker == DEFINITION or (part.marker and self.before.shape.lists)) and self.before.kind != PRE
        self.out.append("\n\n" if self.markdown and not tight else "\n")

    # ---- tables ----

    def write_cell(self, part: Part, table: int) -> None:
        if self.table != table:
            self.table, self.headed = table, False
            self.start_row(part.row)
        elif part.row != self.row:
            self.end_row()
            self.out.append("\n")
            self.start_row(part.row)
        elif part.column == self.column:
            self.out.append(" ")
        while self.column < part.column:
            self.out.append(" | " if self.markdown and self.column >= 0 else "\t" if self.column >= 0 else "")
            self.column += 1
        text = self.inline(part).replace("\n", " ")
        self.out.append(text.replace("|", "\\|") if self.markdown else text)

    def start_row(self, row: int) -> None:
        self.row, self.column = row, -1
        if self.markdown:
            self.out.append("| ")

    def end_row(self) -> None:
        if not self.markdown:
            return
        columns = self.tables[self.table].columns
        self.out.append(" | " * (columns - 1 - self.column) + " |")
        if not self.headed:
            self.out.append("\n|" + " --- |" * columns)
            self.headed = True

    def end_table(self) -> None:
        if self.table >= 0:
            self.end_row()
        self.table = -1

    # ---- other blocks ----

    def write_code(self, part: Part) -> None:
        if not self.markdown:
            self.out.append(self.marker(part) + part.text)
            return
        fence = "`" * max(3, _longest_run(part.text) + 1)
        self.out.append(self.marker(part) + self.lines(part, f"{fence}{part.language}\n{part.text}\n{fence}"))

    def write_lines(self, part: Part) -> None:
        text = self.inline(part)
        if self.markdown and part.shape.level and not part.shape.lists:
            text = "#" * part.shape.level + " " + text.replace("\n", " ")
        self.out.append(self.marker(part) + (self.lines(part, text) if self.markdown else text))

    def marker(self, part: Part) -> str:
        """Return what precedes a block: quotation marks, the margin, and the marker of an item."""
        shape = part.shape
        quotes = "> " * shape.quotes if self.markdown else ""
        if part.marker == NO_MARKER or (part.marker == DEFINITION and not self.markdown):
            return quotes + " " * shape.margin if self.markdown else quotes
        sign = "- " if part.marker == BULLET else ": " if part.marker == DEFINITION else f"{part.number}. "
        width = 0 if part.marker == DEFINITION else shape.width
        return quotes + " " * max(shape.margin - width, 0) + sign

    def lines(self, part: Part, text: str) -> str:
        """Return `text` with the margin before each further line."""
        quotes = "> " * part.shape.quotes
        margin = quotes + " " * part.shape.margin
        if not margin:
            return text
        first, *rest = text.split("\n")
        return "\n".join([first, *(margin + line if line else quotes for line in rest)])

    def inline(self, part: Part) -> str:
        """Return the text with its marks written out."""
        if not self.markdown:
            return part.text
        open_sign, out = "", []
        for char in part.marked:
            if char == ENDED:
                out.append(open_sign)
            elif char in _SIGNS:
                open_sign = _SIGNS[char]
                out.append(open_sign)
            else:
                out.append(char)
        return "".join(out)


def _longest_run(text: str) -> int:
    longest = run = 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return longest
