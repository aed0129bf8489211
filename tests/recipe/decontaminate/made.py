"""Made-up evaluation items and texts."""

from __future__ import annotations

import random
from collections.abc import Sequence

from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.index import Index

SYLLABLES = ("ba", "ko", "ri", "tel", "mun", "sa", "ver", "dol", "ik", "fra", "ost", "pel")
VOCABULARY = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]


def prose(words: int, draw: random.Random) -> str:
    """That many made-up words, some of which are frequent."""
    return " ".join(VOCABULARY[int(len(VOCABULARY) * draw.random() ** 3)] for _ in range(words))


def items(count: int, draw: random.Random, words: tuple[int, int] = (20, 60)) -> list[Item]:
    """Made-up questions."""
    return [Item(number, prose(draw.randint(*words), draw)) for number in range(count)]


def index_of(*texts: str, n: int = 4, min_words: int = 8) -> Index:
    """The index of a set `quiz` with these items."""
    return build_index([("quiz", [Item(number, text) for number, text in enumerate(texts)])], n, min_words)


def edited(text: str, rate: float, draw: random.Random) -> str:
    """The text with each word replaced, removed or followed by another one with a probability of `rate`."""
    found: Sequence[str] = []
    for word in text.split():
        kind = draw.randrange(3) if draw.random() < rate else -1
        new = draw.choice(VOCABULARY)
        found = [*found, *{-1: [word], 0: [new], 1: [], 2: [word, new]}[kind]]
    return " ".join(found)
