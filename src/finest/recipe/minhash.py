"""MinHash signatures equal to those of DataTrove's MinhashDedupSignature (64-bit)."""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash
from datatrove.utils.text import NUMBERS_PATTERN, PUNCTUATION

from finest.recipe import native
from finest.recipe.words import Tokenizer

if TYPE_CHECKING:
    from finest.recipe.recipe import DedupRules

Signature: TypeAlias = npt.NDArray[np.uint64]
"""A MinHash signature, shape (buckets, hashes per bucket)."""

Shingles: TypeAlias = npt.NDArray[np.uint64]
"""The hashes of a text's distinct shingles, ascending."""

PRIME = np.uint64((1 << 61) - 1)
"""The Mersenne prime 2^61 - 1, the modulus of DataTrove's permutations."""
_PRIME_BITS = np.uint64(61)
_BLOCK = 256
"""Shingles permuted at a time; the 112 x 256 x 8 bytes fit in a CPU core's cache."""
_ASCII_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
_PUNCTUATION = frozenset(PUNCTUATION)
_SEPARATORS = "،٫⎖⎗⎘"
"""Non-ASCII decimal separators and fraction slashes in NUMBERS_PATTERN."""


class Signer:
    """Computes MinHash signatures with the settings of a recipe."""

    def __init__(self, rules: DedupRules) -> None:
        self._rules = rules
        self._hash = _sha1 if rules.hash == "sha1" else xxhash.xxh64_intdigest
        size = (rules.buckets * rules.hashes_per_bucket, 1)
        random = np.random.RandomState(rules.seed)  # the generator and the order of draws are DataTrove's
        self._factors = random.randint(1, int(PRIME), dtype=np.uint64, size=size)
        self._offsets = random.randint(0, int(PRIME), dtype=np.uint64, size=size)

    def sign(self, text: str, tokenizer: Tokenizer) -> Signature | None:
        """Return the signature of `text`; None if it has fewer words than a shingle."""
        words = tokenizer.words(simplify(text))
        core = native.core() if not words.spaced else None
        if core:
            is_sha1 = self._rules.hash == "sha1"
            found = core.minhash_lowest(words.joined, self._rules.n_grams, self._factors, self._offsets, is_sha1)
            return None if found is None else self._shaped(np.frombuffer(bytearray(found), np.uint64))
        shingles = self._shingles(words.tokens)
        if not len(shingles):
            return None
        lowest = np.full(len(self._factors), np.iinfo(np.uint64).max, np.uint64)
        for start in range(0, len(shingles), _BLOCK):
            np.minimum(lowest, self._permuted_minimum(shingles[start : start + _BLOCK]), out=lowest)
        return self._shaped(lowest)

    def shingles(self, text: str, tokenizer: Tokenizer) -> Shingles:
        """Return the shingles of `text` of which its signature is a sample."""
        return np.sort(self._shingles(tokenizer.words(simplify(text)).tokens))

    def _shaped(self, lowest: Signature) -> Signature:
        return lowest.reshape(self._rules.buckets, self._rules.hashes_per_bucket)

    def _shingles(self, words: list[str]) -> npt.NDArray[np.uint64]:
        """Return the hashes of the distinct word n-grams."""
        n = self._rules.n_grams
        encoded = [word.encode() for word in words]
        grams = set(map(b" ".join, zip(*(encoded[i:] for i in range(n)), strict=False)))
        return np.fromiter(map(self._hash, grams), dtype=np.uint64, count=len(grams))

    def _permuted_minimum(self, shingles: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Return the minimum of (factor x shingle + offset) mod 2^64 mod (2^61 - 1) for each permutation."""
        values = self._factors * shingles
        values += self._offsets
        high = values >> _PRIME_BITS
        values &= PRIME
        values += high  # congruent, and at most 7 above the prime
        if values.max() >= PRIME:
            values %= PRIME
        lowest: npt.NDArray[np.uint64] = values.min(axis=1)
        return lowest


def similarity(one: Shingles, other: Shingles) -> float:
    """Return the Jaccard similarity of two sets of shingles; 0 if both are empty."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / max(len(one) + len(other) - common, 1)


def simplify(text: str) -> str:
    """Return DataTrove's `simplify_text(text)`: lower case, numbers as 0, no punctuation, no diacritics."""
    core = native.core()
    found = core.simplify(text, _ASCII_KINDS, _ALONE) if core else None
    return _simplify(text) if found is None else found


def _simplify(text: str) -> str:
    text = text.lower()
    text = _ASCII_NUMBER.sub("0", text) if text.isascii() else NUMBERS_PATTERN.sub("0", text)
    for char in _PUNCTUATION.intersection(text):
        text = text.replace(char, " ")
    text = " ".join(text.split())
    if not text.isascii():
        text = _without_marks(text)
    return text.strip()


def _without_marks(text: str) -> str:
    text = unicodedata.normalize("NFD", text)
    marks = [ord(char) for char in set(text) if unicodedata.category(char) == "Mn"]
    return text.translate(dict.fromkeys(marks)) if marks else text


_ASCII_KINDS = bytes(chr(code) in _PUNCTUATION or chr(code).isspace() for code in range(128))
"""1 for each ASCII code of a character that separates words, otherwise 0."""


class _Alone(dict[int, str | None]):
    """A memo of how `simplify` replaces a non-ASCII character; None if its neighbours decide, " " for a separator."""

    def __missing__(self, code: int) -> str | None:
        found = self[code] = _alone(chr(code))
        return found


def _alone(char: str) -> str | None:
    low = char.lower()
    if char == "Σ" or char in _SEPARATORS or NUMBERS_PATTERN.search(low):
        return None
    if low in _PUNCTUATION or low.isspace():
        return " "
    plain = _without_marks(low)
    is_alone = not any(unicodedata.combining(one) or one.isspace() for one in plain)
    return plain if is_alone and _PUNCTUATION.isdisjoint(low) else None


_ALONE = _Alone()


_first_8_bytes = struct.Struct("<Q").unpack_from


def _sha1(gram: bytes) -> int:
    digest = hashlib.sha1(gram, usedforsecurity=False).digest()
    return int(_first_8_bytes(digest)[0])
