"""Kinds of characters, by fixed ranges of code points, so that no version of Unicode can change a verdict.

Words are runs of letters and digits. Scripts that put no spaces between words have no such runs, so each of their
characters counts for a part of a word: `UNITS`.
"""

from __future__ import annotations

import re

SEPARATOR, LETTER, HAN, BRAHMIC = range(4)
"""Kinds of characters: between words; part of a word; a token of its own, in either group of scripts without spaces."""
UNITS = (0, 4, 2, 1)
"""Units of a token by kind. A word has 4, so an n-gram has 4 n units: n words, or 2 n Chinese characters, or 4 n Thai
ones. A Chinese word has about two characters; Thai and its relatives need three to five code points a word."""

SEPARATORS = (
    (0x00, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0xA9), (0xAB, 0xB4), (0xB6, 0xB9), (0xBB, 0xBF), (0xD7, 0xD7),
    (0xF7, 0xF7), (0x589, 0x589), (0x60C, 0x60C), (0x61B, 0x61B), (0x61F, 0x61F), (0x6D4, 0x6D4), (0x964, 0x965),
    (0x2000, 0x206F), (0x20A0, 0x20CF), (0x2190, 0x2BFF), (0x2E00, 0x2E7F), (0x3000, 0x3004), (0x3008, 0x3030),
    (0x3036, 0x303F), (0x30FB, 0x30FB), (0xFE10, 0xFE1F), (0xFE30, 0xFE6F), (0xFEFF, 0xFEFF), (0xFF00, 0xFF0F),
    (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65), (0xFFF0, 0xFFFF),
)  # fmt: skip
"""ASCII and Latin-1 without letters and digits, and Unicode's blocks of punctuation, currency signs, arrows and
symbols, with the commas and full stops of Armenian, Arabic, Urdu and Hindi."""
HANS = (
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3031, 0x3035), (0x3040, 0x30FA), (0x30FC, 0x312F), (0x31A0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Chinese characters and Japanese kana. Korean has spaces, so its syllables are letters of words."""
BRAHMICS = ((0xE00, 0xFFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0xA9E0, 0xA9FF),
            (0xAA60, 0xAA7F))  # fmt: skip
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai Le and Tai Tham."""


CODES = 0x40000
"""Code points whose kind the table holds; those above are unassigned, or variation selectors and private use."""


def kinds_table() -> bytes:
    """Return the kinds of the code points below CODES; those above are letters."""
    table = bytearray([LETTER]) * CODES
    for kind, ranges in ((SEPARATOR, SEPARATORS), (HAN, HANS), (BRAHMIC, BRAHMICS)):
        for first, last in ranges:
            table[first : last + 1] = bytes([kind]) * (last + 1 - first)
    return bytes(table)


def _inside(*groups: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for group in groups for first, last in group)


TOKEN = re.compile(f"([{_inside(HANS)}])|([{_inside(BRAHMICS)}])|[^{_inside(SEPARATORS, HANS, BRAHMICS)}]+")
"""Matches a token; group 1 is a HAN character, group 2 a BRAHMIC one, and neither group is a word."""
