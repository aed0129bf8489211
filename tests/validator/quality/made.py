"""Small texts for tests of the quality measure, made from the shipped anchors: no network, no WARC."""

from __future__ import annotations

import random

from finest.validator.quality.heldout import anchors

MENU = "Home About us Contact Log in Sign up Read more Share Tweet Next page Previous page Cookies Privacy Terms Help"


def split() -> tuple[list[str], list[str]]:
    """Texts to train on, and held-out texts of the same kind."""
    texts = anchors()
    return texts[0::2], texts[1::2]


def menus(texts: list[str], seed: int) -> list[str]:
    """The texts with a page's menu around each paragraph."""
    rng = random.Random(seed)

    def menu() -> str:
        words = MENU.split()
        rng.shuffle(words)
        return " ".join(words)

    return ["\n".join(f"{menu()}\n{line}\n{menu()}" for line in text.split("\n")) for text in texts]


def shuffled(texts: list[str], seed: int) -> list[str]:
    """The texts with their words in any order."""
    rng = random.Random(seed)
    return [" ".join(rng.sample(words, len(words))) for words in map(str.split, texts)]
