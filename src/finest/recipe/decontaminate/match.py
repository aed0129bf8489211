"""Match a text with an index: is a copy of an evaluation item, perhaps an edited one, in the text?

A run of an item is a series of its n-grams in the text, in the order of the item, with at most GAP_WORDS words from
one to the next. An item is found if a run has enough of its n-grams: `min_matches`, and `min_percent` of all its
n-grams. Edits break n-grams; what is left of an edited copy is still a run. `core/decontaminate_match.c` computes the
same; `_reference` is the reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finest.recipe import native
from finest.recipe.decontaminate.characters import LETTER, UNITS, kinds_table
from finest.recipe.decontaminate.index import Index
from finest.recipe.decontaminate.ngrams import ngrams

if TYPE_CHECKING:
    from finest.recipe.native._core import Core, EvaluationItems

GAP_WORDS = 32
"""Of words that are edited with a probability of 30 %, about 13 pass until the next four in a row that are not."""
GAP_UNITS = GAP_WORDS * UNITS[LETTER]


class Match(NamedTuple):
    """The best run of an item in a text: the one with the most n-grams in proportion to those needed."""

    item: int
    found: int
    """N-grams of the run."""
    needed: int
    """N-grams that the item needs to be found."""
    start: int
    """Offset of the run in the UTF-8 text, in bytes."""
    end: int

    @property
    def is_copy(self) -> bool:
        """Whether the run has enough n-grams."""
        return self.found >= self.needed


class Matcher:
    """An index that is ready to match texts; not thread-safe."""

    def __init__(self, index: Index, min_matches: int, min_percent: int) -> None:
        self.index = index
        share = -(-index.item_ngrams.astype(np.int64) * min_percent // 100)
        self._needed = np.maximum(share, min_matches).astype(np.uint32)
        self._core: tuple[Core, EvaluationItems] | None = None
        if core := native.core():
            self._core = (
                core,
                core.decontaminate_open(
                    kinds_table(), index.head.n, index.hashes, index.firsts, index.items, index.ordinals, self._needed
                ),
            )

    def best(self, text: str) -> Match | None:
        """Return the best run in `text`, the first of equals; None if it has no n-gram of the index."""
        if self._core is None:
            return self._reference(text)
        core, items = self._core
        try:
            found = core.decontaminate_match(items, text)
        except UnicodeEncodeError:  # a lone surrogate, which separates words
            found = core.decontaminate_match(items, text.encode("utf-8", "replace"))
        return None if found is None else Match(*found)

    def _reference(self, text: str) -> Match | None:
        """Return what `best` does, computed in Python."""
        grams, index = ngrams(text, self.index.head.n), self.index
        at = np.searchsorted(index.hashes, grams.hashes)
        at[at == len(index.hashes)] = 0
        known = index.hashes[at] == grams.hashes if len(index.hashes) else np.zeros(len(at), np.bool_)
        runs: dict[int, _Run] = {}
        best: Match | None = None
        for token in np.flatnonzero(known).tolist():
            for posting in range(index.firsts[at[token]], index.firsts[at[token] + 1]):
                item, ordinal = int(index.items[posting]), int(index.ordinals[posting])
                run = runs.get(item)
                place = int(grams.units[token])
                if run is None or place - run.place > GAP_UNITS:
                    run = runs[item] = _Run(int(grams.starts[token]))
                elif ordinal <= run.ordinal:
                    if run.found > 1:
                        continue
                    run = runs[item] = _Run(int(grams.starts[token]))
                run.found, run.place, run.ordinal = run.found + 1, place, ordinal
                needed = int(self._needed[item])
                if best is None or run.found * best.needed > best.found * needed:
                    best = Match(item, run.found, needed, run.start, int(grams.ends[grams.lasts[token]]))
        return best


class _Run:
    """The current run of an item."""

    __slots__ = ("found", "ordinal", "place", "start")

    def __init__(self, start: int) -> None:
        self.start, self.found, self.place, self.ordinal = start, 0, 0, 0
