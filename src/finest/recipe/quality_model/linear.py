"""The integer score of a linear quality model.

A feature that occurs c times has the value sqrt(c), and the vector of all values is scaled to unit length. With k
features in the text, the length is sqrt(k). In integers:

    raw = floor(65536 * sum(w[j] * isqrt(65536 * c[j])) / isqrt(2^32 * k)) + bias

which is 256 * (w . x) + bias, rounded down: `isqrt(65536 * c)` is 256 * sqrt(c), `isqrt(2^32 * k)` is 65536 * sqrt(k).
Without features, raw = bias. `core/quality_sum.c` computes the same. This module is the reference.
"""

from __future__ import annotations

from collections import Counter
from math import isqrt
from typing import TYPE_CHECKING

from finest.recipe.quality_model.hashing import indices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def linear_sums(text: str | bytes, weights: NDArray[np.int16]) -> tuple[int, ...]:
    """Return the raw score of each row of `weights`, shape (rows, 2^bits), without its bias."""
    found = indices(text, weights.shape[1].bit_length() - 1)
    if not found:
        return (0,) * len(weights)
    length = isqrt(len(found) << 32)
    roots = [(index, isqrt(count << 16)) for index, count in Counter(found).items()]
    return tuple((sum(int(row[index]) * root for index, root in roots) << 16) // length for row in weights)
