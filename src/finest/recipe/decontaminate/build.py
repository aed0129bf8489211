"""Build an index from the texts of evaluation items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from finest.recipe.decontaminate.characters import UNITS
from finest.recipe.decontaminate.index import MOST_ITEMS_PER_NGRAM, Index  # noqa
from finest.recipe.decontaminate.ngrams import MOST_N, ngrams

DEFAULT_N = 5
DEFAULT_MIN_WORDS = 8
"""Items with fewer words are left out: many short questions are phrases of everyday text."""


class Item(NamedTuple):
    """The text of one evaluation item, and the number of its record in its set, from 0."""

    number: int
    text: str


@dataclass(slots=True)
class Built:
    """An index and what became of the items of each set."""

    index: Index
    counts: dict[str, Counts]


@dataclass(slots=True)
class Counts:
    """What became of the items of one set."""

    items: int = 0
    short: int = 0
    """Items with fewer words than the least, or with too few for an n-gram."""
    repeated: int = 0
    """Items whose n-grams are all those of an earlier item."""
    common: int = 0
    """Items that have only n-grams that many items share."""

    @property
    def indexed(self) -> int:
        return self.items - self.short - self.repeated - self.common


@dataclass(slots=True)
class _Postings:
    hashes: list[np.ndarray] = field(default_factory=list)
    items: list[np.ndarray] = field(default_factory=list)
    ordinals: list[np.ndarray] = field(default_factory=list)


def build_index(
    sets: Iterable[tuple[str, Iterable[Item]]], n: int = DEFAULT_N, min_words: int = DEFAULT_MIN_WORDS
) -> Built:
    """Build the index of these sets. Equal items in an equal order give equal bytes.

    An n-gram that occurs in more than MOST_ITEMS_PER_NGRAM items is left out: it belongs to the wording of questions,
    not to one question. Of repeated n-grams of an item, the first counts.
    """
    assert 1 <= n <= MOST_N
    counts: dict[str, Counts] = {}
    all_hashes, all_items, all_ordinals, places = [], [], [], []
    seen: set[bytes] = set()
    for number, (name, items) in enumerate(sets):
        count = counts[name] = Counts()
        for item in items:
            count.items += 1
            found = ngrams(item.text, n)
            if not len(found.hashes) or found.units[-1] < min_words * UNITS[1]:
                count.short += 1
                continue
            ok=lettered(item.text,found)
            unique, first = np.unique(found.hashes[ok], return_index=True)
            first=np.nonzero(ok)[0][first]
            key = unique.tobytes()
            if key in seen:
                count.repeated += 1
                continue
            seen.add(key)
            all_hashes.append(unique)
            all_ordinals.append(first.astype(np.uint32))
            all_items.append(np.full(len(unique), len(places), np.uint32))
            places.append((number, item.number))
    h, it, o = (np.concatenate(x) if x else np.zeros(0, t) for x, t in ((all_hashes, np.uint64), (all_items, np.uint32), (all_ordinals, np.uint32)))
    order = np.lexsort((it, h))
    h, it, o = h[order], it[order], o[order]
    unique, first, times = np.unique(h, return_index=True, return_counts=True)
    total = np.bincount(it, minlength=len(places)).astype(np.uint32)
    rare = times <= MOST_ITEMS_PER_NGRAM
    keep = np.repeat(rare, times)
    h, it, o = h[keep], it[keep], o[keep]
    unique, times = unique[rare], times[rare]
    firsts = np.concatenate(([0], np.cumsum(times))).astype(np.uint32)
    grams = np.bincount(it, minlength=len(places)).astype(np.uint32)
    names = list(counts)
    for (s, _), g in zip(places, grams):
        counts[names[s]].common += int(g == 0)
    sets_ = np.array([p[0] for p in places], np.uint16)
    numbers = np.array([p[1] for p in places], np.uint32)
    return Built(Index(n, tuple(names), unique, firsts, it, o, sets_, numbers, total), counts)

def lettered(text,found):
    data=text.encode("utf-8","replace")
    num=np.array([data[a:b].isdigit() for a,b in zip(found.starts,found.ends)],bool)
    c=np.concatenate(([0],np.cumsum(~num)))
    return c[found.lasts+1]-c[np.arange(len(found.lasts))]>=2
