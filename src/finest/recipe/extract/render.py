"""Write blocks with their structure as plain text or as Markdown; `render.c` of the compiled core does the same.

Plain text has a line for each line of a block, `- ` or `1. ` before list items, tabs between the cells of a row, and
code as it stands. Markdown adds `#`, `>`, fences, `|`, back quotes and `$`, and empty lines between blocks. It
escapes no character but `|` in cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from finest.recipe.extract.pieces import (
    BULLET,
    DEFINITION,
    ENDED,
    IN_CODE,
    IN_LINE,
    NO_MARKER,
    ON_DISPLAY,
    PRE,
    Piece,
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


def table_of(piece: Piece, tables: Sequence[Table]) -> int:
    """Return the number of the table of data in a cell of which the block is, or -1."""
    return piece.shape.table if piece.row >= 0 and is_data(tables[piece.shape.table]) else -1


def render(pieces: Sequence[Piece], kept: Sequence[bool], tables: Sequence[Table], *, markdown: bool) -> str:
    """Return the text of the kept blocks."""
    writer = _Writer(tables, markdown=markdown)
    for piece, keep in zip(pieces, kept, strict=True):
        if keep:
            writer.write(piece)
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
        self.before: Piece | None = None

    def write(self, piece: Piece) -> None:
        table = table_of(piece, self.tables)
        if table < 0 or table != self.table:
            self.end_table()
            self.separate(piece)
        if table >= 0:
            self.write_cell(piece, table)
        elif piece.kind == PRE or (piece.is_code and "\n" in piece.text):
            self.write_code(piece)
        else:
            self.write_lines(piece)
        self.before = piece

    def separate(self, piece: Piece) -> None:
        """End the last block's line; in Markdown, an empty line follows but between items and before definitions."""
        if self.before is None:
            return
        tight = (piece.marker == DEFINITION or (piece.marker and self.before.shape.lists)) and self.before.kind != PRE
        self.out.append("\n\n" if self.markdown and not tight else "\n")

    # ---- tables ----

    def write_cell(self, piece: Piece, table: int) -> None:
        if self.table != table:
            self.table, self.headed = table, False
            self.start_row(piece.row)
        elif piece.row != self.row:
            self.end_row()
            self.out.append("\n")
            self.start_row(piece.row)
        elif piece.column == self.column:
            self.out.append(" ")
        while self.column < piece.column:
            self.out.append(" | " if self.markdown and self.column >= 0 else "\t" if self.column >= 0 else "")
            self.column += 1
        text = self.inline(piece).replace("\n", " ")
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

    def write_code(self, piece: Piece) -> None:
        if not self.markdown:
            self.out.append(self.marker(piece) + piece.text)
            return
        fence = "`" * max(3, _longest_run(piece.text) + 1)
        self.out.append(self.marker(piece) + self.lines(piece, f"{fence}{piece.language}\n{piece.text}\n{fence}"))

    def write_lines(self, piece: Piece) -> None:
        text = self.inline(piece)
        if self.markdown and piece.shape.level and not piece.shape.lists:
            text = "#" * piece.shape.level + " " + text.replace("\n", " ")
        self.out.append(self.marker(piece) + (self.lines(piece, text) if self.markdown else text))

    def marker(self, piece: Piece) -> str:
        """Return what precedes a block: quotation marks, the margin, and the marker of an item."""
        shape = piece.shape
        quotes = "> " * shape.quotes if self.markdown else ""
        if piece.marker == NO_MARKER or (piece.marker == DEFINITION and not self.markdown):
            return quotes + " " * shape.margin if self.markdown else quotes
        sign = "- " if piece.marker == BULLET else ": " if piece.marker == DEFINITION else f"{piece.number}. "
        width = 0 if piece.marker == DEFINITION else shape.width
        return quotes + " " * max(shape.margin - width, 0) + sign

    def lines(self, piece: Piece, text: str) -> str:
        """Return `text` with the margin before each further line."""
        quotes = "> " * piece.shape.quotes
        margin = quotes + " " * piece.shape.margin
        if not margin:
            return text
        first, *rest = text.split("\n")
        return "\n".join([first, *(margin + line if line else quotes for line in rest)])

    def inline(self, piece: Piece) -> str:
        """Return the text with its marks written out."""
        if not self.markdown:
            return piece.text
        open_sign, out = "", []
        for char in piece.marked:
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
