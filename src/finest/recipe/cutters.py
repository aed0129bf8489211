"""Cut Chinese and Japanese by the libraries that spaCy calls, without what spaCy builds around their words.

spaCy makes a document of the words, in Chinese in time quadratic in the text's length, and in Japanese with parts of
speech and readings of each word; DataTrove then takes the words alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from finest.recipe.chinese import chinese_cutter

if TYPE_CHECKING:
    from finest.recipe.languages import TokenizerKey

Cutter = Callable[[str], list[str]]
"""Returns the words of a text as the library gives them, with whitespace."""
_MOST_BYTES = 40_000
"""Bytes of Japanese that DataTrove hands to Sudachi at a time."""


def cutter(key: TokenizerKey) -> Cutter | None:
    """Return the cutter with the words of DataTrove's tokenizer, but for their whitespace; None if there is none."""
    if key == ("SpaCyTokenizer", "zh"):
        return chinese_cutter()
    return _japanese() if key == ("SpaCyTokenizer", "ja") else None


def _japanese() -> Cutter:
    from datatrove.utils.word_tokenizers import chunk_text_on_bytes

    dictionary: Any = importlib.import_module("sudachipy.dictionary")
    mode: Any = importlib.import_module("sudachipy.tokenizer").Tokenizer.SplitMode.A
    tokenize = dictionary.Dictionary().create(mode=mode).tokenize

    def cut(text: str) -> list[str]:
        return [word.surface() for part in chunk_text_on_bytes(text, _MOST_BYTES) for word in tokenize(part)]

    return cut
