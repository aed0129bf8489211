"""Cut Chinese into the words that jieba's `cut` gives, with the package's dictionary and its model of unknown words.

jieba cuts each block of Chinese characters, letters and digits by itself, so the words of a block can be remembered:
the text that MinHash compares has nearly the blocks of the page's text. The search for the best path does not build
jieba's lists of all words at each character; it adds the same numbers in the same order, so ties fall the same way.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from math import inf, log
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_REMEMBERED = 20_000
"""Blocks, and unknown words, that are remembered; about 500 bytes each, and the blocks of some twenty pages."""
_LONGEST_REMEMBERED = 100
"""Characters of the longest block that is remembered; longer ones rarely recur."""


def chinese_cutter() -> Callable[[str], list[str]]:
    """Return a function that returns `list(jieba.cut(text))`."""
    jieba: Any = importlib.import_module("jieba")
    if not jieba.dt.initialized:
        # jieba would read its dictionary from a file in the folder of temporary files, where anybody could put others.
        jieba.dt.FREQ, jieba.dt.total = jieba.dt.gen_pfdict(jieba.dt.get_dict_file())
        jieba.dt.initialized = True
    cut_block = _Blocks(jieba.dt.FREQ, jieba.dt.total, importlib.import_module("jieba.finalseg").cut).cut
    remembered = lru_cache(_REMEMBERED)(cut_block)
    blocks, gaps = jieba.re_han_default.split, jieba.re_skip_default.split

    def cut(text: str) -> list[str]:
        words: list[str] = []
        for number, block in enumerate(blocks(text)):
            if number % 2:  # the expression has one group, so every second piece is a block
                words += remembered(block) if len(block) <= _LONGEST_REMEMBERED else cut_block(block)
            elif block:
                for at, piece in enumerate(gaps(block)):
                    words += (piece,) if at % 2 else piece  # whitespace, or single characters
        return words

    return cut


class _Blocks:
    """Cuts blocks; `frequencies` has 0 for what only begins a word, and `total` is their sum."""

    def __init__(self, frequencies: dict[str, int], total: int, cut_unknown: Callable[[str], list[str]]) -> None:
        self._frequencies = frequencies
        self._log_total = log(total)
        self._unknown = lru_cache(_REMEMBERED)(lambda text: tuple(cut_unknown(text)))

    def cut(self, block: str) -> tuple[str, ...]:
        """Return the words of a block."""
        words: list[str] = []
        at = singles = 0
        ends = self._best_ends(block)
        while at < len(block):
            end = ends[at]
            if end - at > 1:
                words += self._cut_singles(block[singles:at])
                words.append(block[at:end])
                singles = end
            at = end
        words += self._cut_singles(block[singles:])
        return tuple(words)

    def _best_ends(self, block: str) -> list[int]:
        """Return the end of the word at each character on the likeliest path; the longest word on a tie."""
        frequencies, log_total, size = self._frequencies, self._log_total, len(block)
        ends, scores = [0] * size, [0.0] * (size + 1)
        for start in range(size - 1, -1, -1):
            best, best_end, end = -inf, 0, start + 1
            frequency = frequencies.get(block[start])
            while frequency is not None:
                if frequency and (score := log(frequency) - log_total + scores[end]) >= best:
                    best, best_end = score, end
                end += 1
                frequency = frequencies.get(block[start:end]) if end <= size else None
            if not best_end:
                best, best_end = 0.0 - log_total + scores[start + 1], start + 1
            ends[start], scores[start] = best_end, best
        return ends

    def _cut_singles(self, text: str) -> tuple[str, ...]:
        """Return the words of a run of characters that are words of their own on the likeliest path."""
        if len(text) < 2 or self._frequencies.get(text):
            return tuple(text)
        return self._unknown(text) if len(text) <= _LONGEST_REMEMBERED else self._unknown.__wrapped__(text)
