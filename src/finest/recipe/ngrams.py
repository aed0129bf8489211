"""Count the repeated n-grams of a text, exactly or as upper bounds at a tenth of the cost.

Equal n-grams have equal hashes, so counting hashes can overestimate repetitions but never underestimate them. A bound
below a limit therefore proves that the check passes; above it, the strings are compared. A hash collision, even a
crafted one, cannot change a decision.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Hashes: TypeAlias = npt.NDArray[np.uint64]
_Positions: TypeAlias = npt.NDArray[np.int64]

_BASE = np.uint64(0x9E3779B97F4A7C15)
"""An odd 64-bit multiplier, 2^64 divided by the golden ratio (Knuth, TAOCP 3, 6.4)."""


class Ngrams:
    """The n-grams over the tokens of a text, with Gopher's counts of their characters.

    As in DataTrove, `top_*` joins tokens with spaces and `duplicated_*` joins them without a separator.
    """

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        count = len(tokens)
        lengths = np.fromiter(map(len, tokens), dtype=np.int64, count=count)
        self._starts: _Positions = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        self._powers: _Hashes | None = None
        self._sums: _Hashes | None = None
        self._word_hashes: _Hashes | None = None

    def top_chars(self, n: int) -> int:
        """Return the length of the most frequent n-gram (the first on a tie) times its count; 0 without n-grams."""
        grams = Counter(" ".join(self._tokens[i : i + n]) for i in range(self._count(n)))
        return max((len(gram) * times for gram, times in grams.most_common(1)), default=0)

    def top_chars_at_most(self, n: int) -> int:
        """Return an upper bound of `top_chars`, exact if no n-gram occurs twice.

        It is one only if no token contains a space: `a b` + `c` and `a` + `b c` are the same n-gram, and counted apart.
        """
        if not self._count(n):
            return 0
        lengths = self._lengths(n) + (n - 1)
        hashes = np.sort(self._hashes_of_words(n))
        changes = np.flatnonzero(hashes[1:] != hashes[:-1])
        most = int(np.diff(changes, prepend=-1, append=len(hashes) - 1).max())
        return int(lengths[0]) if most == 1 else most * int(lengths.max())

    def duplicated_chars(self, n: int) -> int:
        """Count the characters in n-grams that occurred before, scanned from left to right without overlap."""
        count = self._count(n)
        if count <= 0:
            return 0
        seen: set[str] = set()
        total = free = 0
        text = "".join(self._tokens)
        starts = self._starts.tolist()
        for at in self._repeated(n).tolist():  # an n-gram with a unique hash cannot be a repetition
            if at < free:
                continue
            gram = text[starts[at] : starts[at + n]]
            if gram in seen:
                total += len(gram)
                free = at + n
            else:
                seen.add(gram)
        return total

    def duplicated_chars_at_most(self, n: int, enough: int) -> int:
        """Return an upper bound of `duplicated_chars`; a coarse one if that is at most `enough`, else a finer one."""
        if self._count(n) <= 0:
            return 0
        hashes = self._hashes_of_text(n)
        in_order = np.sort(hashes)
        repeats = int(np.count_nonzero(in_order[1:] == in_order[:-1]))
        coarse = repeats * int(self._lengths(n).max())
        return coarse if coarse <= enough else self._covered_by_repeats(n, hashes)

    def _covered_by_repeats(self, n: int, hashes: _Hashes) -> int:
        order = np.argsort(hashes, kind="stable")
        in_order = hashes[order]
        later = order[1:][in_order[1:] == in_order[:-1]]
        depth = np.zeros(len(self._tokens) + 1, np.int64)
        np.add.at(depth, later, 1)
        np.add.at(depth, later + n, -1)
        covered = np.cumsum(depth[:-1]) > 0
        return int(np.diff(self._starts)[covered].sum())

    def _repeated(self, n: int) -> _Positions:
        hashes = self._hashes_of_text(n)
        in_order = np.sort(hashes)
        return np.flatnonzero(np.isin(hashes, in_order[1:][in_order[1:] == in_order[:-1]]))

    def _count(self, n: int) -> int:
        return max(len(self._tokens) - n + 1, 0)

    def _lengths(self, n: int) -> _Positions:
        return self._starts[n:] - self._starts[: self._count(n)]

    def _hashes_of_words(self, n: int) -> _Hashes:
        if self._word_hashes is None:
            hashes = np.fromiter(map(hash, self._tokens), dtype=np.int64, count=len(self._tokens))
            self._word_hashes = hashes.view(np.uint64)
        combined = self._word_hashes[: self._count(n)].copy()
        for offset in range(1, n):
            combined *= _BASE
            combined += self._word_hashes[offset : offset + len(combined)]
        return combined

    def _hashes_of_text(self, n: int) -> _Hashes:
        """Return a polynomial hash of each n-gram's characters, from prefix sums over the joined text."""
        if self._sums is None or self._powers is None:
            codes = np.frombuffer("".join(self._tokens).encode("utf-32-le", "surrogatepass"), dtype="<u4")
            self._powers = np.full(len(codes) + 1, _BASE)
            self._powers[0] = 1
            np.multiply.accumulate(self._powers, out=self._powers)
            self._sums = np.zeros(len(codes) + 1, np.uint64)
            np.cumsum((codes + np.uint64(7)) * self._powers[:-1], out=self._sums[1:])
        starts = self._starts[: self._count(n)]
        return (self._sums[self._starts[n:]] - self._sums[starts]) * self._powers[len(self._sums) - 1 - starts]


def duplicates(elements: list[str]) -> tuple[int, int]:
    """Return the number of elements that occurred before, and the number of their characters."""
    if len(seen := set(elements)) == len(elements):
        return 0, 0
    return len(elements) - len(seen), sum(map(len, elements)) - sum(map(len, seen))
