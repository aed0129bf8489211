"""Build an index from the texts of evaluation items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finest.errors import RecipeError
from finest.recipe.decontaminate.characters import LETTER, UNITS
from finest.recipe.decontaminate.index import MOST_ITEMS_PER_NGRAM, MOST_TOKENS, EvaluationSet, Head, Index
from finest.recipe.decontaminate.ngrams import Ngrams, ngrams

DEFAULT_N = 4
"""Chosen by measurement: docs/guides/decontaminate.md compares 3, 4, 8 and 13."""
DEFAULT_MIN_WORDS = 8
"""Shorter questions are phrases of everyday text, such as "What is the capital of France?"."""
_WORDS = 2
"""Tokens of an n-gram that are neither numbers nor single letters: "1 2 3 4" and "A B C D" stand on many pages."""


class Item(NamedTuple):
    """The text of an evaluation item, and the number of its record in its set, from 0."""

    number: int
    text: str


class _Postings(NamedTuple):
    """The n-grams of an item."""

    hashes: npt.NDArray[np.uint64]
    ordinals: npt.NDArray[np.uint32]


def build_index(
    sets: Iterable[tuple[str, Iterable[Item]]], n: int = DEFAULT_N, min_words: int = DEFAULT_MIN_WORDS
) -> Index:
    """Build the index of these sets. Equal items in an equal order give an equal index.

    An n-gram that occurs in more than MOST_ITEMS_PER_NGRAM items is left out: it belongs to the wording of many
    questions, and not to one. Of repeated n-grams of an item, the first counts.
    Raises RecipeError if an item has more than MOST_TOKENS tokens.
    """
    found: list[_Postings] = []
    places: list[tuple[int, int]] = []
    counts: dict[str, Counter[str]] = {}
    seen: set[bytes] = set()
    for set_number, (name, items) in enumerate(sets):
        counts[name] = Counter()
        for item in items:
            fate, postings = _examine(item.text, n, min_words, seen)
            counts[name][fate] += 1
            if fate == "indexed":
                found.append(postings)
                places.append((set_number, item.number))
    return _joined(found, places, counts, n, min_words)


def _examine(text: str, n: int, min_words: int, seen: set[bytes]) -> tuple[str, _Postings]:
    """Return what becomes of an item, and its n-grams; `seen` holds the n-grams of the items before it."""
    grams = ngrams(text, n)
    if len(grams.starts) > MOST_TOKENS:
        raise RecipeError(f"an item has {len(grams.starts):,} words; at most {MOST_TOKENS:,} are allowed")
    wanted = np.flatnonzero(_have_words(grams))
    hashes, first = np.unique(grams.hashes[wanted], return_index=True)
    postings = _Postings(hashes, wanted[first].astype(np.uint32))
    if not len(hashes) or grams.units[-1] < min_words * UNITS[LETTER]:
        return "short", postings
    if hashes.tobytes() in seen:
        return "repeated", postings
    seen.add(hashes.tobytes())
    return "indexed", postings


def _have_words(grams: Ngrams) -> npt.NDArray[np.bool_]:
    """Return for each n-gram whether it has enough tokens that are words."""
    before = np.concatenate(([0], np.cumsum(~grams.signs)))
    n = grams.lasts + 1 - np.arange(len(grams.lasts))
    enough: npt.NDArray[np.bool_] = before[grams.lasts + 1] - before[: len(grams.lasts)] >= np.minimum(n, _WORDS)
    return enough


def _joined(
    found: list[_Postings], places: list[tuple[int, int]], counts: dict[str, Counter[str]], n: int, min_words: int
) -> Index:
    """Return the index of these items, without the n-grams of many items and the items that only have such."""
    hashes = np.concatenate([np.zeros(0, np.uint64), *(one.hashes for one in found)])
    ordinals = np.concatenate([np.zeros(0, np.uint32), *(one.ordinals for one in found)])
    totals = np.array([len(one.hashes) for one in found], np.uint32)
    items = np.repeat(np.arange(len(found), dtype=np.uint32), totals)
    order = np.lexsort((items, hashes))
    hashes, items, ordinals = hashes[order], items[order], ordinals[order]
    times = np.unique(hashes, return_counts=True)[1]
    rare = np.repeat(times <= MOST_ITEMS_PER_NGRAM, times)
    hashes, items, ordinals = hashes[rare], items[rare], ordinals[rare]
    used = np.bincount(items, minlength=len(found)) > 0
    numbers = (np.cumsum(used) - 1).astype(np.uint32)
    unique, times = np.unique(hashes, return_counts=True)
    names = list(counts)
    for place in np.flatnonzero(~used):
        counts[names[places[place][0]]].update(indexed=-1, common=1)
    at = np.array(places, np.int64).reshape(-1, 2)[used]
    return Index(
        Head(n=n, min_words=min_words, sets=tuple(_set(name, count) for name, count in counts.items())),
        unique, np.concatenate(([0], np.cumsum(times))).astype(np.uint32), numbers[items], ordinals,
        at[:, 0].astype(np.uint16), at[:, 1].astype(np.uint32), totals[used],
    )  # fmt: skip


def _set(name: str, count: Counter[str]) -> EvaluationSet:
    return EvaluationSet(
        name=name, items=count.total(), short=count["short"], repeated=count["repeated"], common=count["common"]
    )
