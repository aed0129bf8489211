"""The pieces of a page's text, with what the extractor decided about each: for `finest why --html`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from finest.recipe.extract.block_features import name_groups
from finest.recipe.extract.blocks import read_blocks
from finest.recipe.extract.main_text import model, scores
from finest.recipe.extract.structure import read_page
from finest.recipe.extract.structured_text import choose
from finest.recipe.extract.trees import shipped_trees

if TYPE_CHECKING:
    from finest.recipe.recipe import Recipe


class Piece(NamedTuple):
    """A piece of a page's text between two breaks of its layout."""

    text: str
    extracted: bool
    """Whether the extractor took it for main text."""
    kept: bool
    """Whether it is in the text that the last stage left, too."""
    score: int | None
    """The sum of its weights, above 0 for main text; None for an extractor that gives blocks no score.

    Engine `blocks-2` also takes code, tables and gaps in the main text with lower scores, and may leave out a cell with
    a higher one.
    """


def pieces_of(html: str, extracted: str, final: str, recipe: Recipe) -> list[Piece]:
    """Return the pieces of a page in their order.

    `extracted` is the text that the extractor found, `final` the text after the last stage. An extractor without scores
    works on other units than blocks, so a block counts as extracted if all its words stand in the text together.
    """
    found, left = _words(extracted), _words(final)
    if recipe.extraction.engine == "blocks-2":
        choice = choose(read_page(html, name_groups()), shipped_trees())
        return [
            Piece(part.text, taken, taken and all(_is_left(line, found, left) for line in part.text.split("\n")), score)
            for part, score, taken in zip(*choice, strict=True)
        ]
    blocks = read_blocks(html, model().groups)
    sums = scores(blocks, model().weights) if recipe.extraction.engine == "blocks-1" else [None] * len(blocks)
    pieces = []
    for block, score in zip(blocks, sums, strict=True):
        words = _words(block.text)
        taken = words in found if score is None else score > 0
        pieces.append(Piece(block.text, taken, taken and words in left, score))
    return pieces


def _is_left(line: str, found: str, left: str) -> bool:
    """Return whether a line of the extracted text is in the final one; a line with marks inside it, in Markdown, is."""
    words = _words(line)
    return words in left or words not in found


def _words(text: str) -> str:
    """Return the words of a text with one space around each."""
    return f" {' '.join(text.split())} "
