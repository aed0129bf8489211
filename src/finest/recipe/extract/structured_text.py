"""Engine `blocks-2`: the main text of a page with its structure, as plain text or Markdown.

`structure` reads the blocks, `trees` scores them, `kept` decides over tables and gaps as wholes, and
`render` writes the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from finest.recipe import native
from finest.recipe.extract.block_features import name_groups
from finest.recipe.extract.limit import ExtractionLimit
from finest.recipe.extract.main_text import common_tables
from finest.recipe.extract.parts import Page, Part, Table
from finest.recipe.extract.render import render, table_of
from finest.recipe.extract.structure import read_page
from finest.recipe.extract.structure_tags import CLASSES, STRUCTURE_TAGS, SYMBOLS
from finest.recipe.extract.structure_text import TOO_MANY_STEPS
from finest.recipe.extract.trees import Trees, shipped_trees

if TYPE_CHECKING:
    from finest.recipe.native._core import BlockTables, Core

SURE = 450
"""Mean score of the characters with a score above 0 at which the page's limit is 0. Of 300 to 600, with several slopes,
it gave about the best F1 of words on sources that the trees had not seen."""
HIGHEST_LIMIT = 400
LOWEST_LIMIT = -600
"""The page's highest and lowest limit."""
TABLE_LIMIT = -200
"""A table of data is main text if the mean score of its characters is above this."""
CODE_LIMIT = -600
"""A block of code of two lines or more is main text if its score is above this: the model was fitted to articles."""
FORMULA_LIMIT = -300
"""The same of a block of formulas."""
GAP_LIMIT = -200
"""Blocks between two blocks of main text are main text too if the sum of their scores is above this."""
LEAST_SHOWN = 250
"""Characters of main text below which the text in `<noscript>` and `<noframes>` is the main text, if it has more."""


def extract_structure(html: str, *, markdown: bool = False) -> str | None:
    """Return the page's main text as plain text or as Markdown; None if there is none.

    Raises ExtractionLimit if reading takes more than `structure_text.MOST_STEPS` steps, and UnicodeEncodeError if the
    page contains a lone surrogate.
    """
    return extract_formats(html, (markdown,))[0] or None


def extract_formats(html: str, formats: Sequence[bool]) -> tuple[str, ...]:
    """Return the text of `extract_structure` for each value of `markdown` in `formats`, reading the page once."""
    core = native.core()
    if core is None:
        return formats_in_python(html, formats)
    try:
        return core.structure_extract(_shipped_tables(core), html, tuple(formats))
    except core.Refused:
        raise ExtractionLimit(TOO_MANY_STEPS) from None


@lru_cache(maxsize=1)
def _shipped_tables(core: Core) -> BlockTables:
    return open_structure_tables(core, shipped_trees())


def open_structure_tables(core: Core, trees: Trees) -> BlockTables:
    """Return the tables of a model for the compiled core, for engine `blocks-2`."""
    common = common_tables(name_groups(), STRUCTURE_TAGS)
    return core.blocks_open(*common, [], [*CLASSES.items()], [*SYMBOLS.items()], [stage.packed() for stage in trees])


def formats_in_python(html: str, formats: Sequence[bool]) -> tuple[str, ...]:
    """Return the result of `extract_formats`, computed without the core."""
    html.encode()
    return render_page(read_page(html, name_groups()), formats, shipped_trees())


def render_page(page: Page, formats: Sequence[bool], trees: Trees) -> tuple[str, ...]:
    """Choose the blocks of the main text by a model, and return their text in each format."""
    found = choose(page, trees)
    return tuple(render(found.parts, found.kept, page.tables, markdown=markdown) for markdown in formats)


class Choice(NamedTuple):
    """Blocks of a page, and which of them are its main text."""

    parts: list[Part]
    scores: list[int]
    kept: list[bool]

    @property
    def chars(self) -> int:
        """Characters of the main text."""
        return sum(part.chars for part, is_main in zip(self.parts, self.kept, strict=True) if is_main)


def choose(page: Page, trees: Trees) -> Choice:
    """Return the blocks that a reader sees, or those that replace scripts or frames if the main text is there, and the
    choice among them.
    """
    shown = _choice(page.shown, page.tables, trees)
    if not page.unscripted or shown.chars >= LEAST_SHOWN:
        return shown
    unscripted = _choice(page.unscripted, page.tables, trees)
    return unscripted if unscripted.chars > shown.chars else shown


def _choice(parts: list[Part], tables: Sequence[Table], trees: Trees) -> Choice:
    found = above_limit(parts, trees.scores(parts))
    return Choice(parts, found, kept(parts, tables, found))


def above_limit(parts: Sequence[Part], found: Sequence[int]) -> list[int]:
    """Return the scores less the page's limit, but for code of two lines or more and formulas.

    Where the model is sure of the main text, blocks with low scores are captions, teasers and the like. Where it is
    not, the page is of a kind that it has hardly seen, and all scores are low.
    """
    chars = sum(part.chars for part, score in zip(parts, found, strict=True) if score > 0)
    total = sum(part.chars * score for part, score in zip(parts, found, strict=True) if score > 0)
    mean = total // (chars or 1)
    limit = min(HIGHEST_LIMIT, (mean - SURE) // 2) if mean > SURE else max(LOWEST_LIMIT, -((SURE - mean) * 3 // 2))
    return [score if _limit(part) else score - limit for part, score in zip(parts, found, strict=True)]


def kept(parts: Sequence[Part], tables: Sequence[Table], found: Sequence[int]) -> list[bool]:
    """Return for each block whether it is main text, given their scores."""
    keep = [score > _limit(part) for part, score in zip(parts, found, strict=True)]
    for start, end in _tables(parts, tables):
        chars = sum(part.chars for part in parts[start:end])
        total = sum(part.chars * score for part, score in zip(parts[start:end], found[start:end], strict=True))
        keep[start:end] = [total > TABLE_LIMIT * chars] * (end - start)
    last = -1
    for at, is_main in enumerate(list(keep)):
        if is_main:
            if 0 <= last < at - 1 and sum(found[last + 1 : at]) > GAP_LIMIT:
                keep[last + 1 : at] = [True] * (at - last - 1)
            last = at
    return keep


def _limit(part: Part) -> int:
    if part.is_code and "\n" in part.text:
        return CODE_LIMIT
    return FORMULA_LIMIT if part.is_formula else 0


def _tables(parts: Sequence[Part], tables: Sequence[Table]) -> list[tuple[int, int]]:
    """Return the ranges of blocks that are in one table of data."""
    found, start = [], 0
    of = [table_of(part, tables) for part in parts]
    for at in range(1, len(of) + 1):
        if at == len(of) or of[at] != of[start]:
            if of[start] >= 0:
                found.append((start, at))
            start = at
    return found
