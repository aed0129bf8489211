"""The tokenizers of the quality measure: byte-level BPE with 4,096 tokens, shipped and pinned by their hashes.

A token takes 12 bits, so that an n-gram of five is one 64-bit number. Each tokenizer can encode any text. Its exact
tokens matter little, since bits are counted per byte of text and all texts of a measurement share the tokenizer; but
n-grams reach further if it was trained on the language. One was trained on English, and one on ten other languages.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from finest.errors import RecipeError


class Vocabulary(NamedTuple):
    """The file of a tokenizer and its sha256."""

    path: Path
    sha256: str


ENGLISH = Vocabulary(
    Path(__file__).with_name("bpe-4096.json"), "a36983f305443b40766ad53a110491cb583d9167ae171082ff48efe687ca2e6f"
)
"""Written by `build_model`."""
LANGUAGES = Vocabulary(
    Path(__file__).with_name("bpe-4096-languages.json"),
    "84598e33e216cb412f8108b63433f79e50e8fcf1ca4094b4bb999812972e91db",
)
"""Written by `build_languages`: the tokenizer for texts in other languages. Five tokens reach 10 to 13 characters of
the fixed documents in European languages, and 4 to 5 in Chinese and Japanese; those of ENGLISH reach 5 to 11, and 2."""
VOCABULARY = 4096
END = "<|end|>"
"""Token 0, which marks the beginning of a document; it occurs in no text."""

_PIECE = re.compile(r" ?\S+|\s+(?!\S)|\s+")
"""Pieces whose tokens do not depend on their neighbours: GPT-2's pattern, with all non-whitespace in one piece."""
_UNSURE = re.compile(r"[\x1c-\x1f]")
"""Characters that only Python considers whitespace."""
_REMEMBERED_PIECES = 200_000
_LONGEST_REMEMBERED = 100


def ids(text: str, vocabulary: Vocabulary = ENGLISH) -> NDArray[np.uint16]:
    """Encode a text as token ids, a lone surrogate as `?`. Raises RecipeError if the file is not the pinned one."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    pieces = _remembered(vocabulary)
    if _UNSURE.search(sound):
        return np.frombuffer(pieces.encoded(sound), "<u2")
    found = b"".join(map(pieces.__getitem__, _PIECE.findall(sound)))
    pieces.forget()
    return np.frombuffer(found, "<u2")


class _Pieces(dict[str, bytes]):
    """Caches the ids of pieces in bounded memory, which is three times as fast as the tokenizer alone."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._tokenizer = tokenizer(vocabulary)

    def __missing__(self, piece: str) -> bytes:
        found = self.encoded(piece)
        if len(piece) <= _LONGEST_REMEMBERED:
            self[piece] = found
        return found

    def encoded(self, piece: str) -> bytes:
        """Encode a piece with two bytes a token, little-endian."""
        return np.array(self._tokenizer.encode(piece, add_special_tokens=False).ids, "<u2").tobytes()

    def forget(self) -> None:
        if len(self) > _REMEMBERED_PIECES:
            self.clear()


@cache
def _remembered(vocabulary: Vocabulary) -> _Pieces:
    return _Pieces(vocabulary)


@cache
def tokenizer(vocabulary: Vocabulary = ENGLISH) -> Tokenizer:
    """Load a pinned tokenizer, once per process."""
    data = pinned(*vocabulary)
    merges = [(first, second) for first, second in (merge.split(" ") for merge in json.loads(data)["merges"])]
    words = [END, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(first + second for first, second in merges)]
    bpe = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=merges))
    byte_level: Any = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.pre_tokenizer = byte_level
    return bpe


def pinned(path: Path, sha256: str) -> bytes:
    """Return the bytes of a data file; raises RecipeError unless they have this sha256."""
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RecipeError(f"{path} is not the file that this version measures with; reinstall: pip install finest-data")
    return data
