"""Score the blocks of a page for engine `blocks-2` by two stages of trees.

The trees of the second stage also see what the first one says of a block's neighbours, and of the elements around it.
All values are integers, so that the result is the same on every machine. `python -m bench.fit_trees` fits the trees to
pages whose main text people marked, and writes them to `trees.json`. `trees.c` of the compiled core implements the same
rules; keep the two in sync.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from itertools import accumulate
from typing import NamedTuple

from finest.recipe.extract.block_features import COLUMNS, LEAST_PROSE, features, limited, path_of, share
from finest.recipe.extract.parts import NESTS, Part

MOST_SCORE = 5_120
"""Limit on a score of the first stage. Scores are in 256ths of the logarithm of the odds, so this is 20."""
STEPS = (-3, -2, -1, 1, 2, 3)
"""Neighbours whose scores are columns."""
REACHES = (2, 5, 12)
"""Blocks on each side that a window of scores reaches to."""
SECOND = (
    "score", *(f"score{step:+d}" for step in STEPS), *(f"nest{nest}_score" for nest in range(NESTS)), "path_score",
    *(f"window{reach}_score" for reach in REACHES), "main_share", "highest", "mean", "from_main", "to_main_end",
)  # fmt: skip
"""Names of the columns that the second stage sees beside those of the first."""
ALL_COLUMNS = (*COLUMNS, *SECOND)
MOST_DEPTH, MOST_TREES = 8, 1_000


class Stage(NamedTuple):
    """Trees of one depth: on each level all nodes compare one column with one limit, and the bits lead to a leaf."""

    depth: int
    bias: int
    columns: bytes
    """Numbers of the columns: `depth` of each tree."""
    limits: tuple[int, ...]
    """A bit is 1 if the column is above the limit."""
    leaves: tuple[int, ...]
    """Sums of leaves: `2 ** depth` of each tree."""

    def packed(self) -> tuple[int, int, bytes, bytes, bytes]:
        """Return the stage as the compiled core reads it."""
        return self.depth, self.bias, self.columns, array("h", self.limits).tobytes(), array("h", self.leaves).tobytes()

    def score(self, row: Sequence[int]) -> int:
        """Return the sum of the leaves to which the values of a block lead."""
        depth, total = self.depth, self.bias
        for tree in range(len(self.columns) // depth):
            leaf = 0
            for level in range(depth):
                node = tree * depth + level
                leaf |= (row[self.columns[node]] > self.limits[node]) << level
            total += self.leaves[(tree << depth) + leaf]
        return total


class Trees(NamedTuple):
    """The model that selects the blocks of the main text."""

    first: Stage
    second: Stage

    def scores(self, parts: Sequence[Part]) -> list[int]:
        """Return for each block the mean of both stages' scores, which is above 0 for main text."""
        rows = features(parts)
        found = [max(-MOST_SCORE, min(MOST_SCORE, self.first.score(row))) for row in rows]
        more = second_features(parts, found)
        return [
            (first + self.second.score([*row, *others])) // 2
            for first, row, others in zip(found, rows, more, strict=True)
        ]


def parse_trees(data: bytes) -> Trees:
    """Return the trees of a file: lines of JSON, each with a stage's depth and bias, or a tree of the stage."""
    stages: list[Stage] = []
    for line in data.decode().splitlines():
        row = json.loads(line)
        if "depth" in row:
            stages.append(Stage(row["depth"], row["bias"], b"", (), ()))
        else:
            depth, bias, columns, limits, leaves = stages[-1]
            stages[-1] = Stage(
                depth, bias, columns + bytes(row["columns"]), (*limits, *row["limits"]), (*leaves, *row["leaves"])
            )
    return Trees(*stages)


def _data() -> bytes:
    return resources.files("finest.recipe.extract").joinpath("trees.json").read_bytes()


@lru_cache(maxsize=1)
def shipped_trees() -> Trees:
    """Return the trees that ship with the package."""
    return parse_trees(_data())


@lru_cache(maxsize=1)
def shipped_sha256() -> str:
    """Return the sha256 of the file of the shipped trees."""
    return hashlib.sha256(_data()).hexdigest()


def second_features(parts: Sequence[Part], found: Sequence[int]) -> Iterator[list[int]]:
    """Yield the values of SECOND for each block, given the scores of the first stage."""
    chars = [part.chars for part in parts]
    sums = [0, *accumulate(count * score for count, score in zip(chars, found, strict=True))]
    totals = [0, *accumulate(chars)]
    groups = [_means([part.around.nests[nest] for part in parts], chars, found) for nest in range(NESTS)]
    groups.append(_means([path_of(part) for part in parts], chars, found))
    main = sum(count for count, score in zip(chars, found, strict=True) if score > 0)
    long = [at for at, score in enumerate(found) if score > 0 and chars[at] >= LEAST_PROSE]
    first, last = (long[0], long[-1]) if long else (limited(1 << 15), -limited(1 << 15))
    page = [share(main, totals[-1]), max(found, default=0), sums[-1] // (totals[-1] or 1)]
    for at, score in enumerate(found):
        row = [score]
        row += [found[at + step] if 0 <= at + step < len(found) else -MOST_SCORE for step in STEPS]
        row += [means[at] for means in groups]
        for reach in REACHES:
            start, end = max(0, at - reach), min(len(found), at + reach + 1)
            row.append((sums[end] - sums[start]) // (totals[end] - totals[start]))
        yield [limited(value) for value in (*row, *page, at - first, last - at)]


def _means(keys: Sequence[int], chars: Sequence[int], found: Sequence[int]) -> list[int]:
    """Return for each block the mean score of the characters of the blocks with its key."""
    sums: dict[int, int] = {}
    totals: dict[int, int] = {}
    for key, count, score in zip(keys, chars, found, strict=True):
        sums[key] = sums.get(key, 0) + count * score
        totals[key] = totals.get(key, 0) + count
    return [sums[key] // totals[key] for key in keys]
