"""The main text of a page: the blocks that a linear model takes for it, in their order.

Engine `blocks-1`. The model's weights lie in `blocks.json`; `python -m bench.fit_blocks` fits them to pages whose main
text people marked. Weights and sums are integers, so every machine decides alike. Other weights are another engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from finest.recipe import native
from finest.recipe.extract.blocks import COMMAS, DROPPED, SENTENCE_ENDS, Block, read_blocks
from finest.recipe.extract.tags import DENYING, FLAGS, KINDS, NAMING, TAGS

if TYPE_CHECKING:
    from finest.recipe.native._core import BlockTables, Core

SHAPES = 40
"""Ten lengths, by powers of two up to 512 characters, times four shares of linked characters."""
PLACES = COUNTS = 10
"""Tenths of the page, and numbers of its blocks by powers of two."""
ENDINGS = 6
"""None, one or more commas; the same with a sentence's end."""
SIZES = (SHAPES, SHAPES + 1, SHAPES + 1, len(KINDS), ENDINGS, PLACES, COUNTS)
"""Of the features of which a block has one each; its own shape first, then its neighbours', or that there is none."""
FLAGS_FROM, NAMES_FROM = sum(SIZES), sum(SIZES) + len(FLAGS)


@dataclass(frozen=True, slots=True)
class Model:
    """What the blocks of a page are judged by."""

    groups: dict[str, int]
    """Words of names to bits of their groups."""
    weights: tuple[int, ...]
    """By feature, in the order of `features`; the last is always added. A block with a sum above 0 is main text."""


@lru_cache(maxsize=1)
def model() -> Model:
    """The shipped one."""
    data = json.loads(resources.files("finest.recipe.extract").joinpath("blocks.json").read_text(encoding="utf-8"))
    return Model(groups_of(data["groups"]), tuple(data["weights"]))


def groups_of(groups: dict[str, str]) -> dict[str, int]:
    """Bits by word, of words by group."""
    return {word: 1 << bit for bit, words in enumerate(groups.values()) for word in words.split()}


def extract_blocks(html: str) -> str | None:
    """The page's main text, a line for each block and list items marked by `- `; None where there is none.

    Raises UnicodeEncodeError where the page holds half a surrogate pair.
    """
    core = native.core()
    if core is None:
        return extract_in_python(html)
    return core.blocks_extract(_shipped_tables(core), html) or None


@lru_cache(maxsize=1)
def _shipped_tables(core: Core) -> BlockTables:
    return open_tables(core, model())


def open_tables(core: Core, given: Model) -> BlockTables:
    """What the compiled core reads pages by: the same tags, words and weights as in Python."""
    tags = [(name, *tag) for name, tag in TAGS.items()]
    words = [(word, given.groups.get(word, 0), word in DENYING) for word in {*given.groups, *DENYING}]
    return core.blocks_open(tags, words, list(NAMING), (SENTENCE_ENDS, COMMAS, DROPPED), list(given.weights))


def extract_in_python(html: str) -> str | None:
    """The same, without the core."""
    html.encode()
    shipped = model()
    blocks = read_blocks(html, shipped.groups)
    return text_of(blocks, chosen(blocks, shipped.weights)) or None


def chosen(blocks: Sequence[Block], weights: Sequence[int]) -> list[bool]:
    """Which blocks are main text."""
    return [weights[-1] + sum(weights[feature] for feature in found) > 0 for found in features(blocks)]


def text_of(blocks: Sequence[Block], kept: Sequence[bool]) -> str:
    """The kept ones as text; cells of one row stand in one line, a tab between them."""
    parts: list[str] = []
    for at, block in enumerate(blocks):
        if kept[at]:
            beside = block.is_cell and at > 0 and kept[at - 1]
            parts.append(("\t" if beside else "\n") + "- " * block.is_item + block.text)
    return "".join(parts)[1:]


def features(blocks: Sequence[Block]) -> list[list[int]]:
    """Numbers of the features that each block has: each indexes a weight. `feature_count` is how many there are."""
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
    """How many features there are with that many groups of names."""
    return NAMES_FROM + groups


def _shape(block: Block) -> int:
    eighths = block.linked * 8 // block.chars
    links = 0 if block.linked == 0 else 1 if eighths < 2 else 2 if eighths < 5 else 3
    return min(9, block.chars.bit_length() - 1) * 4 + links


def _ending(text: str) -> int:
    return min(2, sum(map(text.count, COMMAS))) + 3 * (text[-1] in SENTENCE_ENDS)


def _bits(mask: int) -> Iterable[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)
