"""Turn a text into the hashed n-grams that a linear quality model weighs.

The text is read as UTF-8 bytes, so no Unicode version matters. A token is a run of ASCII letters, digits and bytes from
0x80 on, or any other visible ASCII character alone; ASCII letters are folded to lower case. The features are all tokens
and all pairs of neighbouring tokens, each hashed to 64 bits. A model with 2^b weights takes the hash's top b bits.

`core/quality_text.c` computes the same. This module is the reference.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from finest.recipe import native

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TEXT_BYTES = 1 << 20
"""A score depends on the first MiB of the text's UTF-8 only, which bounds memory and time. FineWeb's longest page, of
100,000 words, has about 0.6 MB."""
MIN_BITS, MAX_BITS = 4, 22
"""Limits of a model's number of weights, 2^bits. The core needs 8 bytes of memory per weight of the largest model."""
FNV_BASIS, FNV_PRIME = 14695981039346656037, 1099511628211
"""Constants of FNV-1a with 64 bits (draft-eastlake-fnv-17)."""
SPREAD, PAIR = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
"""Odd multipliers: SPREAD is 2^64 divided by the golden ratio, PAIR is a prime of xxHash64."""
_MASK = (1 << 64) - 1
_TOKEN = re.compile(rb"[0-9a-z\x80-\xff]+|[!-~]")


def features(text: str | bytes, bits: int) -> NDArray[np.uint32]:
    """Return the indices of a text's features below 2^`bits`, with repeats, in the order of the text.

    A pair follows its second token. Raises ValueError if `bits` is not within MIN_BITS..MAX_BITS, and
    UnicodeEncodeError for a lone surrogate.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"a model has 2^{MIN_BITS} to 2^{MAX_BITS} weights, not 2^{bits}")
    core = native.core()
    if core is not None:
        return np.frombuffer(core.quality_features(text, bits), dtype=np.uint32)
    return np.fromiter(indices(text, bits), dtype=np.uint32)


def indices(text: str | bytes, bits: int) -> list[int]:
    """Return what `features` returns, computed in Python."""
    return [hashed >> (64 - bits) for hashed, _, _ in ngrams(text)]


def ngrams(text: str | bytes) -> list[tuple[int, int, int]]:
    """Return the 64-bit hash of each feature, and where its n-gram begins and ends in the text's UTF-8."""
    data = (text.encode() if isinstance(text, str) else text)[:MAX_TEXT_BYTES]
    found: list[tuple[int, int, int]] = []
    previous: tuple[int, int] | None = None
    for match in _TOKEN.finditer(data.lower()):  # bytes.lower() folds ASCII only
        token, (start, end) = fnv64(match[0]), match.span()
        found.append((token * SPREAD & _MASK, start, end))
        if previous is not None:
            pair = (previous[0] * PAIR & _MASK) ^ token
            found.append((pair * SPREAD & _MASK, previous[1], end))
        previous = token, start
    return found


@lru_cache(maxsize=1 << 16)
def fnv64(token: bytes) -> int:
    """Return the 64-bit FNV-1a hash of a token."""
    hashed = FNV_BASIS
    for byte in token:
        hashed = (hashed ^ byte) * FNV_PRIME & _MASK
    return hashed
