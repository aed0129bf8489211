"""Engine `blocks-1`: the main text of a page consists of the blocks that a linear model selects, in their order.

The model's weights are in `blocks.json`; `python -m bench.fit_blocks` fits them to pages whose main text people marked.
Weights and sums are integers, so the result is the same on every machine. Other weights make another engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

from finest.recipe import native
from finest.recipe.extract.blocks import COMMAS, DROPPED, SENTENCE_ENDS, Block, read_blocks
from finest.recipe.extract.tags import DENYING, FLAGS, KINDS, NAMING, TAGS, Tag

if TYPE_CHECKING:
    from finest.recipe.native._core import BlockTables, Core

SHAPES = 40
"""Number of block shapes: ten lengths (powers of two up to 512 characters) times four shares of linked characters."""
PLACES = COUNTS = 10
"""Number of positions (tenths of the page), and of page sizes (numbers of blocks, by powers of two)."""
ENDINGS = 6
"""Number of text types: zero, one, or more commas, each with and without an end of a sentence."""
SIZES = (SHAPES, SHAPES + 1, SHAPES + 1, len(KINDS), ENDINGS, PLACES, COUNTS)
"""Sizes of the one-hot feature groups: own shape, previous and next shape (the last slot means no neighbour), kind,
text type, position and page size."""
FLAGS_FROM, NAMES_FROM = sum(SIZES), sum(SIZES) + len(FLAGS)


Marks: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """The linear model that selects the blocks of the main text."""

    groups: dict[str, int]
    """Bits of the groups of each word of a name."""
    weights: tuple[int, ...]
    """Weight of each feature number of `features`, then the bias. A block with a sum above 0 is main text."""


@lru_cache(maxsize=1)
def model() -> Model:
    """Return the model that ships with the package."""
    data = json.loads(resources.files("finest.recipe.extract").joinpath("blocks.json").read_text(encoding="utf-8"))
    return Model(groups_of(data["groups"]), tuple(data["weights"]))


def groups_of(groups: dict[str, str]) -> dict[str, int]:
    """Return the group bit of each word, given the space-separated words of each group."""
    return {word: 1 << bit for bit, words in enumerate(groups.values()) for word in words.split()}


def extract_blocks(html: str) -> str | None:
    """Return the page's main text, with a line for each block and `- ` before list items; None if there is none.

    Raises UnicodeEncodeError if the page contains a lone surrogate.
    """
    core = native.core()
    if core is None:
        return extract_in_python(html)
    return core.blocks_extract(_shipped_tables(core), html) or None


@lru_cache(maxsize=1)
def _shipped_tables(core: Core) -> BlockTables:
    return open_tables(core, model())


def open_tables(core: Core, given: Model) -> BlockTables:
    """Return the tables of a model for the compiled core, with the same tags, words and weights as in Python."""
    return core.blocks_open(*common_tables(given.groups, TAGS), list(given.weights), [], [], [])


def common_tables(
    groups: Mapping[str, int], tags: Mapping[str, Tag]
) -> tuple[list[tuple[str, int, int, int, int, int, int, int]], list[tuple[str, int, bool]], list[str], Marks]:
    """Return the tags, the words, the attributes of names and the marks of an engine's tables for the compiled core."""
    words = [(word, groups.get(word, 0), word in DENYING) for word in {*groups, *DENYING}]
    return [(name, *tag) for name, tag in tags.items()], words, list(NAMING), (SENTENCE_ENDS, COMMAS, DROPPED)


def extract_in_python(html: str) -> str | None:
    """Return the result of `extract_blocks`, computed without the core."""
    html.encode()
    shipped = model()
    blocks = read_blocks(html, shipped.groups)
    return text_of(blocks, chosen(blocks, shipped.weights)) or None


def chosen(blocks: Sequence[Block], weights: Sequence[int]) -> list[bool]:
    """Return for each block whether it is main text."""
    return [score > 0 for score in scores(blocks, weights)]


def scores(blocks: Sequence[Block], weights: Sequence[int]) -> list[int]:
    """Return for each block the sum of its weights, which is above 0 for main text."""
    return [weights[-1] + sum(weights[feature] for feature in found) for found in features(blocks)]


def text_of(blocks: Sequence[Block], kept: Sequence[bool]) -> str:
    """Join the kept blocks to a text; cells of one row are on one line, separated by tabs."""
    parts: list[str] = []
    for at, block in enumerate(blocks):
        if kept[at]:
            beside = block.is_cell and at > 0 and kept[at - 1]
            parts.append(("\t" if beside else "\n") + "- " * block.is_item + block.text)
    return "".join(parts)[1:]


def features(blocks: Sequence[Block]) -> list[list[int]]:
    """Return the numbers of the features of each block, which index the weights; they are below `feature_count`."""
    outside = SHAPES
    shapes = [outside, *map(_shape, blocks), outside]
    count = min(COUNTS - 1, len(blocks).bit_length() - 1)
    found = []
    for at, block in enumerate(blocks):
        place, before, own, after = at * PLACES // len(blocks), *shapes[at : at + 3]
        one_each = own, before, after, block.kind, _ending(block.text), place, count
        numbers = [sum(SIZES[:column]) + number for column, number in enumerate(one_each)]
        numbers += [FLAGS_FROM + bit for bit in _bits(block.flags)]
        found.append(numbers + [NAMES_FROM + bit for bit in _bits(block.names)])
    return found


def feature_count(groups: int) -> int:
    """Return the number of features for that many groups of names."""
    return NAMES_FROM + groups


def _shape(block: Block) -> int:
    eighths = block.linked * 8 // block.chars
    links = 0 if block.linked == 0 else 1 if eighths < 2 else 2 if eighths < 5 else 3
    return min(9, block.chars.bit_length() - 1) * 4 + links


def _ending(text: str) -> int:
    return min(2, sum(map(text.count, COMMAS))) + 3 * (text[-1] in SENTENCE_ENDS)


def _bits(mask: int) -> Iterable[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)
