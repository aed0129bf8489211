"""The integer score of a linear quality model.

A feature that occurs c times has the value sqrt(c), and the vector of all values is scaled to unit length. With k
features in the text, the length is sqrt(k). In integers:

    raw = floor(65536 * sum(w[j] * isqrt(65536 * c[j])) / isqrt(2^32 * k)) + bias

which is 256 * (w . x) + bias, rounded down: `isqrt(65536 * c)` is 256 * sqrt(c), `isqrt(2^32 * k)` is 65536 * sqrt(k).
Without features, raw = bias. `core/quality_sum.c` computes the same. This module is the reference.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

from finest.recipe.quality_model.hashing import indices, ngrams
from finest.recipe.quality_model.term import Term

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from finest.recipe.native._core import Core, QualityTable


@dataclass(frozen=True, slots=True, eq=False)
class LinearTable:
    """The weights of a linear model, shape (1, 2^bits), or (classes, 2^bits)."""

    weights: NDArray[np.int16]

    @property
    def bits(self) -> int:
        """How many top bits of a hash name a weight."""
        return self.weights.shape[1].bit_length() - 1

    def opened(self, core: Core) -> QualityTable:
        """Return the weights as the compiled core reads them."""
        return core.quality_open(self.bits, len(self.weights), self.weights)

    def sums(self, text: str | bytes) -> tuple[int, ...]:
        """Return the raw score of each row without its bias, computed in Python."""
        found = indices(text, self.bits)
        if not found:
            return (0,) * len(self.weights)
        length = isqrt(len(found) << 32)
        roots = [(index, isqrt(count << 16)) for index, count in Counter(found).items()]
        return tuple((sum(int(row[index]) * root for index, root in roots) << 16) // length for row in self.weights)

    def terms(self, text: bytes, row: int, other: int | None) -> Iterator[Term]:
        """Yield what each n-gram of the text adds to the raw score of a row, or to that minus another row's.

        N-grams that share a weight count as the first of them.
        """
        found = [(hashed >> (64 - self.bits), start, end) for hashed, start, end in ngrams(text)]
        first: dict[int, tuple[int, int]] = {}
        for index, start, end in found:
            first.setdefault(index, (start, end))
        length = isqrt(len(found) << 32)
        for index, count in Counter(index for index, _, _ in found).items():
            weight = int(self.weights[row][index]) - (0 if other is None else int(self.weights[other][index]))
            yield Term((weight * isqrt(count << 16) << 16) // length, count, *first[index])
