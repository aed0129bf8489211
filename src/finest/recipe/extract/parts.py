"""The blocks of a page with their structure, as engine `blocks-2` reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from finest.recipe.extract.blocks import Block
from finest.recipe.extract.tags import kind_of

IN_CODE, IN_LINE, ON_DISPLAY, ENDED = "\x01", "\x02", "\x03", "\x04"
"""Marks in a block's text: code, a formula in a line, and one of its own line begin; what began last has ended."""
NO_MARKER, BULLET, ORDINAL, DEFINITION = range(4)
PRE = kind_of("pre")
NESTS = 3
"""Number of elements around a block that its description knows one by one."""
_MARKED = dict.fromkeys(map(ord, IN_CODE + IN_LINE + ON_DISPLAY + ENDED))


class Shape(NamedTuple):
    """The form that the elements around a block give it."""

    quotes: int = 0
    lists: int = 0
    margin: int = 0
    """Width of what precedes the text of a list item, in characters."""
    width: int = 2
    """Width of the innermost list's markers."""
    ordered: bool = False
    level: int = 0
    """Level of a heading, or 0."""
    table: int = -1
    """Number of the innermost table in the page."""
    in_cell: bool = False


class Around(NamedTuple):
    """The elements around a block, as the model that selects the main text sees them."""

    above: int = 0
    """Bits of the name groups of all of them."""
    path: int = 0
    """A hash of the properties and names of all of them."""
    nests: tuple[int, ...] = (0,) * NESTS
    """Numbers of the innermost ones, each its own."""


@dataclass(slots=True)
class Table:
    """A table of the page, with what tells data from layout."""

    nested: bool = False
    """Whether it holds another table."""
    presentation: bool = False
    """Whether its role says that it is layout."""
    headed: bool = False
    """Whether it has a `<th>`."""
    rows: int = 0
    columns: int = 0
    cells: int = 0
    longest: int = 0
    """Characters of its longest cell."""


@dataclass(frozen=True, slots=True)
class Part(Block):
    """A block with its structure."""

    marked: str
    """The text with MARKS; `text` is without them."""
    shape: Shape
    marker: int
    """What begins here: NO_MARKER, a list item with a BULLET or an ORDINAL, or the DEFINITION of a term."""
    number: int
    """The number of a list item."""
    row: int
    column: int
    """Place of the cell in the table, if the block is in one."""
    is_code: bool
    """Whether all of it is code; true for all text in `<pre>`."""
    is_formula: bool
    """Whether at least half of it is formulas, or it has an environment of TeX."""
    language: str
    """The programming language that a class name of the code names."""
    depth: int
    """Number of elements around it."""
    is_line: bool
    """Whether it is preformatted text of one line, or lines of code whose elements say so."""
    around: Around


@dataclass(slots=True)
class Page:
    """The blocks of a page in their order."""

    shown: list[Part] = field(default_factory=list)
    unscripted: list[Part] = field(default_factory=list)
    """Those in `<noscript>` and `<noframes>`."""
    tables: list[Table] = field(default_factory=list)


def unmarked(text: str) -> str:
    """Return `text` without marks."""
    return text.translate(_MARKED)


def continues(before: Part, part: Part) -> bool:
    """Return whether both are lines of one block of code, each in an element of its own."""
    return (
        before.is_code and part.is_code and before.kind == part.kind and not part.marker
        and before.is_line == part.is_line == (part.kind == PRE)
        and before.depth == part.depth and before.shape == part.shape and before.row == part.row == -1
    )  # fmt: skip


def dedented(text: str) -> str:
    """Return preformatted text without the white space with which all its lines begin."""
    lines = [line for line in text.split("\n") if line]
    margin = lines[0][: len(lines[0]) - len(lines[0].lstrip(" \t"))] if lines else ""
    for line in lines:
        while not line.startswith(margin):
            margin = margin[:-1]
    return "\n".join(line[len(margin) :] for line in text.split("\n")) if margin else text


def joined(before: Part, part: Part) -> Part:
    """Return both as one block."""
    return replace(
        before, text=f"{before.text}\n{part.text}", marked=f"{before.marked}\n{part.marked}",
        chars=before.chars + part.chars, linked=before.linked + part.linked,
    )  # fmt: skip
