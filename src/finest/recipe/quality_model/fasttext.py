"""The integer score of a fastText model of two labels.

Such a model averages the vectors of a text's words, word n-grams and subwords, and multiplies the mean with the
difference of the labels' vectors. That is the mean of one number for each of them, kept here as an int16:

    raw = floor(256 * sum(w[i]) / n) + bias

over the n words, word n-grams and subwords of the text that the model knows; without any, raw = bias. Tokens are
divided by ASCII white space; a line break is white space, and the text's end counts as fastText's end of line.
`core/quality_fasttext.c` computes the same. This module is the reference.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finest.recipe.quality_model.hashing import MAX_TEXT_BYTES, fnv64
from finest.recipe.quality_model.term import Term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from finest.recipe.native._core import Core, QualityTable

END = b"</s>"
"""fastText's token for the end of a line."""
LABEL = b"__label__"
"""Tokens that begin so are labels, which fastText leaves out of a text."""
MAX_WORD_NGRAMS, MAX_SUBWORD = 8, 32
FNV32_BASIS, FNV32_PRIME = 2166136261, 16777619
"""Constants of FNV-1a with 32 bits, which fastText's hash is except that it takes bytes as signed numbers."""
JOIN = 116049371
"""fastText's multiplier for hashes of word n-grams (dictionary.cc, addWordNgrams)."""
_MASK32, _MASK64 = (1 << 32) - 1, (1 << 64) - 1
_TOKEN = re.compile(rb"[^ \t\n\v\f\r\0]+")


@dataclass(frozen=True, slots=True, eq=False)
class FasttextTable:
    """The numbers of a fastText model."""

    keys: NDArray[np.uint64]
    """FNV-1a hashes, with 64 bits, of the words' UTF-8, in ascending order."""
    words: NDArray[np.int16]
    """The number of each word."""
    buckets: NDArray[np.int16]
    """The numbers of word n-grams and subwords by fastText's hash, modulo their count; empty if there are neither."""
    word_ngrams: int
    """The longest word n-grams; 1 for none."""
    minn: int
    maxn: int
    """The shortest and longest subwords in characters; `maxn` 0 for none."""

    def opened(self, core: Core) -> QualityTable:
        """Return the numbers as the compiled core reads them."""
        return core.quality_open_fasttext(
            self.keys, self.words, self.buckets, self.word_ngrams, self.minn, self.maxn
        )  # fmt: skip

    def sums(self, text: str | bytes) -> tuple[int, ...]:
        """Return the raw score without bias, computed in Python."""
        data = text.encode() if isinstance(text, str) else text
        numbers = [number for number, _, _ in self._numbers(data)]
        return (256 * sum(numbers) // len(numbers) if numbers else 0,)

    def terms(self, text: bytes, row: int, other: int | None) -> Iterator[Term]:  # noqa: ARG002
        """Yield what each word, word n-gram and subword of the text adds to the raw score."""
        found: dict[tuple[int, bytes], list[tuple[int, int]]] = defaultdict(list)
        total = 0
        for number, start, end in self._numbers(text):
            total += 1
            found[number, text[start:end]].append((start, end))
        for (number, _), places in found.items():
            yield Term(256 * number * len(places) // total, len(places), *places[0])

    def _numbers(self, text: bytes) -> Iterator[tuple[int, int, int]]:
        """Yield the number of everything that the model knows in the text, and where that begins and ends."""
        hashes: list[tuple[int, int, int]] = []
        for token, start, end in _tokens(text[:MAX_TEXT_BYTES]):
            if token.startswith(LABEL):
                continue
            place = int(np.searchsorted(self.keys, np.uint64(fnv64(token))))
            if place < len(self.keys) and int(self.keys[place]) == fnv64(token):
                yield int(self.words[place]), start, end
            if token != END and self.maxn:
                yield from self._subwords(token, start)
            hashed = _signed(_fnv32(token))
            hashes.append((hashed, start, end))
        for place, (hashed, start, _) in enumerate(hashes):
            joined = hashed & _MASK64
            for other, _, end in hashes[place + 1 : place + self.word_ngrams]:
                joined = (joined * JOIN + other) & _MASK64
                yield int(self.buckets[joined % len(self.buckets)]), start, end

    def _subwords(self, token: bytes, start: int) -> Iterator[tuple[int, int, int]]:
        marked = b"<" + token + b">"
        starts = [place for place, byte in enumerate(marked) if byte & 0xC0 != 0x80]
        ends = [*starts[1:], len(marked)]
        for place, begin in enumerate(starts):
            hashed, at = FNV32_BASIS, begin
            for size, end in enumerate(ends[place : place + self.maxn], 1):
                hashed, at = _fnv32(marked[at:end], hashed), end
                if size >= self.minn and not (size == 1 and (begin == 0 or end == len(marked))):
                    number = int(self.buckets[hashed % len(self.buckets)])
                    yield number, start + max(0, begin - 1), start + min(len(token), end - 1)


def _tokens(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the tokens up to the end of fastText's line, which is the text's end or a token `</s>`."""
    for match in _TOKEN.finditer(text):
        yield match[0], *match.span()
        if match[0] == END:
            return
    yield END, len(text), len(text)


def _fnv32(data: bytes, hashed: int = FNV32_BASIS) -> int:
    for byte in data:
        hashed = ((hashed ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * FNV32_PRIME) & _MASK32
    return hashed


def _signed(hashed: int) -> int:
    return hashed if hashed < 1 << 31 else hashed - (1 << 32)
