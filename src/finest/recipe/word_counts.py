"""The counts of tokens that Gopher's rules use, packed into one integer: a sum adds all of them at once."""

from __future__ import annotations

from datatrove.utils.text import PUNCTUATION_SET

REMEMBERED_TOKENS = 100_000
"""Tokens whose counts are cached, at a measured 150 bytes per token."""
FIELD = 40
"""Bits of each count."""
_MASK = (1 << FIELD) - 1
_ALPHA = 1 + (1 << 2 * FIELD)
ALL_COUNTS = (1 << 3 * FIELD) - 1


class CountsMemo(dict[str, int]):
    """A bounded cache of the packed counts of single tokens."""

    def __missing__(self, token: str) -> int:
        found = self[token] = counts_of((token,))
        return found

    def forget(self) -> None:
        if len(self) > REMEMBERED_TOKENS:
            self.clear()


def packed(non_symbol: int, chars: int, alpha: int) -> int:
    """Return the counts as one integer."""
    return non_symbol + (chars << FIELD) + (alpha << 2 * FIELD)


def unpacked(counts: int) -> tuple[int, int, int]:
    """Return the numbers of non_symbol tokens, of their characters, and of tokens with a letter."""
    return counts & _MASK, counts >> FIELD & _MASK, counts >> 2 * FIELD & _MASK


def counts_of(tokens: tuple[str, ...] | list[str]) -> int:
    """Return the packed counts of tokens."""
    counts = 0
    for token in tokens:
        if token.isalpha():  # letters are never symbols
            counts += _ALPHA + (len(token) << FIELD)
        else:
            if not PUNCTUATION_SET.issuperset(token):
                counts += 1 + (len(token) << FIELD)
            if any(map(str.isalpha, token)):
                counts += 1 << 2 * FIELD
    return counts
