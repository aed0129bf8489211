"""The n-grams of a text as 64-bit hashes. `core/decontaminate_text.c` computes the same; this is the reference.

ASCII letters are folded to lower case, and what stands between words is ignored. So a copy with other line breaks,
punctuation or capitals has the same n-grams. The hash of a token is FNV-1a over its UTF-8 bytes; the hash of an n-gram
is a polynomial of its tokens' hashes, mixed. All arithmetic is modulo 2^64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from finest.recipe.decontaminate.characters import TOKEN, UNITS
from finest.recipe.quality_model.hashing import fnv64

Hashes = npt.NDArray[np.uint64]
MOST_N = 32
"""The largest n: n-grams that long are rare even in exact copies."""
BASE = 0x9E3779B97F4A7C15
"""Base of the polynomial that joins the hashes of tokens: 2^64 divided by the golden ratio, rounded to an odd one."""
MIX = 0xFF51AFD7ED558CCD
"""The first multiplier of MurmurHash3's 64-bit finaliser, which spreads a hash over all bits."""
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Ngrams:
    """The n-grams of a text, in order, and where its tokens lie."""

    hashes: Hashes
    """The hash of the n-gram that begins at each token; there is none where the rest of the text is too short."""
    starts: npt.NDArray[np.int64]
    """Offset of each token in the UTF-8 text, in bytes."""
    ends: npt.NDArray[np.int64]
    """Offset of the end of each token."""
    lasts: npt.NDArray[np.int64]
    """Number of the last token of each n-gram."""
    signs: npt.NDArray[np.bool_]
    """Whether each token is a number in ASCII digits or a single ASCII letter."""
    units: npt.NDArray[np.int64]
    """Units before each token, and at the end those of the whole text (`characters.UNITS`)."""


def ngrams(text: str, n: int) -> Ngrams:
    """Return the n-grams of `text`; an unpaired surrogate separates words."""
    data = text.encode("utf-8", "replace").decode()
    found = list(TOKEN.finditer(data))
    tokens = [match[0].encode() for match in found]
    units = np.cumsum([0, *(UNITS[match.lastindex + 1 if match.lastindex else 1] for match in found)])
    ends_at = np.searchsorted(units, units[:-1] + UNITS[1] * n)  # the first token after each n-gram
    ends_at = ends_at[ends_at < len(units)]
    starts = _byte_offsets(data, [match.start() for match in found])
    lengths = np.array([len(token) for token in tokens], np.int64)
    hashes = _joined([fnv64(token.lower()) for token in tokens], ends_at)
    signs = np.array([token.isdigit() or len(token) == 1 for token in tokens], np.bool_)
    return Ngrams(hashes, starts, starts + lengths, ends_at - 1, signs, units)


def _byte_offsets(text: str, at: list[int]) -> npt.NDArray[np.int64]:
    """Return the offsets in UTF-8 of these ascending offsets in characters."""
    if text.isascii():
        return np.array(at, np.int64)
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    sizes = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
    offsets: npt.NDArray[np.int64] = np.concatenate(([0], np.cumsum(sizes)))[at].astype(np.int64)
    return offsets


def _joined(tokens: list[int], ends_at: npt.NDArray[np.int64]) -> Hashes:
    """Return the mixed hashes of the tokens from each position to that in `ends_at`."""
    before, powers = [0], [1]
    for token in tokens:
        before.append((before[-1] * BASE + token) & _MASK)
        powers.append((powers[-1] * BASE) & _MASK)
    prefix, power = np.array(before, np.uint64), np.array(powers, np.uint64)
    begins = np.arange(len(ends_at))
    value = prefix[ends_at] - prefix[begins] * power[ends_at - begins]
    value = (value ^ (value >> np.uint64(32))) * np.uint64(MIX)
    mixed: Hashes = value ^ (value >> np.uint64(29))
    return mixed
