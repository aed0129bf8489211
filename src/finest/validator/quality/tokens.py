"""The tokenizer of the quality measure: byte-level BPE with 4,096 tokens, shipped and pinned by its hash.

A token takes 12 bits, so that an n-gram of five is one 64-bit number. The tokenizer can encode any text. Its exact
tokens matter little, since bits are counted per byte of text and all texts of a measurement share the tokenizer.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from finest.errors import RecipeError

MODEL = Path(__file__).with_name("bpe-4096.json")
MODEL_SHA256 = "a36983f305443b40766ad53a110491cb583d9167ae171082ff48efe687ca2e6f"
"""The sha256 of the file that `build_model` writes."""
VOCABULARY = 4096
END = "<|end|>"
"""Token 0, which marks the beginning of a document; it occurs in no text."""

_PIECE = re.compile(r" ?\S+|\s+(?!\S)|\s+")
"""Pieces whose tokens do not depend on their neighbours: GPT-2's pattern, with all non-whitespace in one piece."""
_UNSURE = re.compile(r"[\x1c-\x1f]")
"""Characters that only Python considers whitespace."""
_REMEMBERED_PIECES = 200_000
_LONGEST_REMEMBERED = 100


def ids(text: str) -> NDArray[np.uint16]:
    """Encode a text as token ids, a lone surrogate as `?`. Raises RecipeError if the model is not the pinned one."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    pieces = _remembered()
    if _UNSURE.search(sound):
        return np.frombuffer(pieces.encoded(sound), "<u2")
    found = b"".join(map(pieces.__getitem__, _PIECE.findall(sound)))
    pieces.forget()
    return np.frombuffer(found, "<u2")


class _Pieces(dict[str, bytes]):
    """Caches the ids of pieces in bounded memory, which is three times as fast as the tokenizer alone."""

    def __missing__(self, piece: str) -> bytes:
        found = self.encoded(piece)
        if len(piece) <= _LONGEST_REMEMBERED:
            self[piece] = found
        return found

    def encoded(self, piece: str) -> bytes:
        """Encode a piece with two bytes a token, little-endian."""
        return np.array(tokenizer().encode(piece, add_special_tokens=False).ids, "<u2").tobytes()

    def forget(self) -> None:
        if len(self) > _REMEMBERED_PIECES:
            self.clear()


@cache
def _remembered() -> _Pieces:
    return _Pieces()


@cache
def tokenizer() -> Tokenizer:
    """Load the pinned tokenizer, once per process."""
    data = pinned(MODEL, MODEL_SHA256)
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
