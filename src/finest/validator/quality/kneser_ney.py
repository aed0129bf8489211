"""An interpolated Kneser-Ney model of order 5 over tokens of 12 bits, in numpy.

Fitting four million tokens takes seconds. Counts are integers, and the rest is IEEE arithmetic in a fixed order and one
logarithm, so the same tokens give the same figures in every process. (Chen & Goodman 1999, "An empirical study of
smoothing techniques for language modeling", section 4.1.6; one discount per order, estimated as n1 / (n1 + 2 n2).)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finest.validator.quality.tokens import VOCABULARY

ORDER = 5
BITS = 12
"""Bits of a token: the tokenizer's vocabulary has 2 ** BITS tokens, and ORDER tokens fit into 64 bits."""
MIN_DISCOUNT, MAX_DISCOUNT = 0.1, 0.95
"""Bounds of the discount, whose estimate is poor if hardly any n-gram was seen twice, or once."""

Grams = NDArray[np.uint64]
"""N-grams as numbers: the newest token is in the lowest BITS."""


def grams(ids: NDArray[np.uint16]) -> Grams:
    """Return an n-gram for each token of a document: it and the four before it; token 0 pads the beginning."""
    padded = np.concatenate([np.zeros(ORDER - 1, np.uint64), ids.astype(np.uint64)])
    found = np.zeros(len(ids), np.uint64)
    for first in range(ORDER):
        found = found << np.uint64(BITS) | padded[first : first + len(ids)]
    return found


@dataclass(frozen=True, slots=True)
class Level:
    """The statistics of all n-grams of one length."""

    keys: Grams
    """The n-grams, ascending."""
    counts: NDArray[np.int32]
    """How often each n-gram was seen; below the highest order, the number of distinct tokens that precede it."""
    contexts: Grams
    """The distinct contexts (first n-1 tokens) of `keys`, ascending."""
    totals: NDArray[np.int32]
    """Sum of the counts after each context."""
    kinds: NDArray[np.int32]
    """Number of distinct tokens seen after each context."""
    discount: float

    def refine(self, wanted: Grams, lower: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute n-gram probabilities from those of one token less (`lower`), which remain for unknown contexts."""
        at, known = look_up(self.contexts, wanted >> np.uint64(BITS))
        where, seen = look_up(self.keys, wanted)
        held = np.where(seen, self.counts[where] - self.discount, 0.0)
        mixed = (held + self.discount * self.kinds[at] * lower) / self.totals[at]
        return np.where(known, mixed, lower)


@dataclass(frozen=True, slots=True)
class KneserNey:
    """A fitted model: the statistics of n-grams of 1 to ORDER tokens."""

    levels: tuple[Level, ...]

    def log_probabilities(self, wanted: Grams) -> NDArray[np.float64]:
        """Return the natural logarithm of the probability of each n-gram's last token, given the others."""
        found = np.full(len(wanted), 1 / VOCABULARY)
        for order, level in enumerate(self.levels, start=1):
            found = level.refine(wanted & np.uint64((1 << BITS * order) - 1), found)
        return np.log(found)


def fit(seen: Grams) -> KneserNey:
    """Fit the model to a training text, given as its n-grams in any order: at least one, at most 2 ** 31."""
    keys, counts = _counted(seen)
    levels = []
    for order in range(ORDER, 0, -1):
        levels.append(_level(keys, counts))
        keys, counts = _counted(keys & np.uint64((1 << BITS * (order - 1)) - 1))
    return KneserNey(tuple(reversed(levels)))


def _counted(seen: Grams) -> tuple[Grams, NDArray[np.int32]]:
    keys = np.sort(seen)
    starts = _starts(keys)
    return keys[starts], np.diff(starts, append=len(keys)).astype(np.int32)


def _starts(ascending: Grams) -> NDArray[np.int64]:
    """Return the index at which each distinct value begins."""
    return np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))


def _level(keys: Grams, counts: NDArray[np.int32]) -> Level:
    contexts = keys >> np.uint64(BITS)
    starts = _starts(contexts)
    totals = np.add.reduceat(counts, starts, dtype=np.int32)
    kinds = np.diff(starts, append=len(keys)).astype(np.int32)
    return Level(keys, counts, contexts[starts], totals, kinds, _discount(counts))


def _discount(counts: NDArray[np.int32]) -> float:
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return min(max(once / max(1, once + 2 * twice), MIN_DISCOUNT), MAX_DISCOUNT)


def look_up(ascending: Grams, wanted: Grams) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the index of each wanted value, and whether the value is present at all."""
    at = np.searchsorted(ascending, wanted)
    at[at == len(ascending)] = 0
    return at, ascending[at] == wanted
