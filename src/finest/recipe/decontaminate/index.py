"""The index file: which n-grams the items of the evaluation sets have. It holds hashes and no text.

It is a safetensors file with one metadata key, `finest_index`, that holds a `Head` as canonical JSON. Equal sets give
equal bytes, so everybody can build an index again and compare its sha256. Tensors of G n-grams, P postings (an n-gram
of an item each) and I items:

    hashes        uint64 [G]      ascending, each once
    firsts        uint32 [G + 1]  the first posting of each n-gram, and P
    items         uint32 [P]      the posting's item
    ordinals      uint32 [P]      number of the n-gram's first token in the item
    item_sets     uint16 [I]      number of the item's set in the head
    item_numbers  uint32 [I]      number of the item's record in its set
    item_ngrams   uint32 [I]      distinct n-grams of the item, those of many items included
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.errors import RecipeError
from finest.recipe.decontaminate.ngrams import MOST_N
from finest.recipe.schema import canonical_json

if TYPE_CHECKING:
    from pathlib import Path

KEY = "finest_index"
MAX_INDEX_BYTES = 512 << 20
"""The largest index that is read, with about 26 million n-grams: a validator reads files that strangers made."""
MAX_HEAD_BYTES = 1 << 20
MAX_SETS = 1000
MOST_ITEMS_PER_NGRAM = 16
"""Items that an n-gram may belong to. It bounds the work per word of a text, whoever made the index."""
MOST_TOKENS = 1 << 20
"""Tokens that an item may have."""
_LENGTH = struct.Struct("<Q")
_Count = Annotated[int, Field(ge=0, lt=2**32)]
_TENSORS: dict[str, type] = {
    "hashes": np.uint64, "firsts": np.uint32, "items": np.uint32, "ordinals": np.uint32, "item_sets": np.uint16,
    "item_numbers": np.uint32, "item_ngrams": np.uint32,
}  # fmt: skip
_MAKE = "make it with: finest decontaminate build"


class EvaluationSet(BaseModel):
    """An evaluation set in an index, and what became of its items."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    items: _Count
    """Records of the set with a text."""
    short: _Count
    """Items left out because they have too few words."""
    repeated: _Count
    """Items left out because an earlier item has the same n-grams."""
    common: _Count
    """Items left out because many items share each of their n-grams."""


class Head(BaseModel):
    """The description of an index in its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["finest-index/1"] = "finest-index/1"
    n: int = Field(ge=1, le=MOST_N, strict=True)
    """Words of an n-gram."""
    min_words: int = Field(ge=1, le=1000, strict=True)
    """Items with fewer words are left out."""
    sets: tuple[EvaluationSet, ...] = Field(min_length=1, max_length=MAX_SETS)


@dataclass(frozen=True, slots=True)
class Index:
    """A checked index; the fields are described at the top of the module."""

    head: Head
    hashes: npt.NDArray[np.uint64]
    firsts: npt.NDArray[np.uint32]
    items: npt.NDArray[np.uint32]
    ordinals: npt.NDArray[np.uint32]
    item_sets: npt.NDArray[np.uint16]
    item_numbers: npt.NDArray[np.uint32]
    item_ngrams: npt.NDArray[np.uint32]

    def set_name(self, item: int) -> str:
        """Return the name of an item's set."""
        return self.head.sets[int(self.item_sets[item])].name

    def encoded(self) -> bytes:
        """Return the bytes of the file; raise RecipeError if it would be larger than MAX_INDEX_BYTES."""
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in _TENSORS}
        text = canonical_json(self.head.model_dump(mode="json")).decode()
        data = safetensors.numpy.save(tensors, metadata={KEY: text})
        if len(data) > MAX_INDEX_BYTES:
            raise RecipeError(
                f"the index has {len(data):,} bytes; at most {MAX_INDEX_BYTES:,} are read: make several, or index "
                "only the questions of the sets, with --field"
            )
        return data


def read_index(path: Path, sha256: str | None = None) -> tuple[Index, str]:
    """Read and check an index file; return it with its sha256.

    Raises RecipeError, with the file and the reason, if it cannot be read, is no valid index, or its sha256 differs
    from `sha256`.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(MAX_INDEX_BYTES + 1) if size <= MAX_INDEX_BYTES else b""
    except OSError as error:
        raise RecipeError(f"index {path}: cannot be read: {error.strerror or error}") from error
    try:
        if max(size, len(data)) > MAX_INDEX_BYTES:
            raise RecipeError(f"has more than {MAX_INDEX_BYTES:,} bytes")
        found = hashlib.sha256(data).hexdigest()
        if sha256 is not None and found != sha256:
            raise RecipeError(f"its sha256 is {found}, the recipe asks for {sha256}; name the file with that sha256")
        return decoded(data), found
    except RecipeError as error:
        raise RecipeError(f"index {path}: {error}") from error


def decoded(data: bytes) -> Index:
    """Return the index in the bytes of a file; raise RecipeError if it is not a valid index."""
    try:
        head = Head.model_validate(_metadata(data))
        tensors = safetensors.numpy.load(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise RecipeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"is no valid safetensors file: {error}") from error
    if tensors.keys() != _TENSORS.keys():
        raise RecipeError(f"has the tensors {', '.join(sorted(tensors)[:8])[:200]} and needs {', '.join(_TENSORS)}")
    for name, dtype in _TENSORS.items():
        if tensors[name].dtype != dtype or tensors[name].ndim != 1:
            raise RecipeError(f"tensor {name} is {tensors[name].dtype}, not one row of {np.dtype(dtype)}")
    index = Index(head, **tensors)
    _check(index)
    return index


def _metadata(data: bytes) -> Any:
    size = _LENGTH.unpack_from(data)[0] if len(data) >= _LENGTH.size else 0
    if not 2 <= size <= min(len(data) - _LENGTH.size, MAX_HEAD_BYTES):
        raise RecipeError(f"is no index, or is cut off; {_MAKE}")
    try:
        header = json.loads(data[_LENGTH.size : _LENGTH.size + size])
        return json.loads(header["__metadata__"][KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecipeError(f"is no index: its header has no metadata key {KEY}; {_MAKE}") from error


def _check(index: Index) -> None:
    """Raise RecipeError unless all numbers of the index point to where they should."""
    ngrams, postings, items = len(index.hashes), len(index.items), len(index.item_sets)
    shares = np.diff(index.firsts.astype(np.int64))
    holds = {
        "sizes": len(index.firsts) == ngrams + 1 and len(index.ordinals) == postings
        and len(index.item_numbers) == len(index.item_ngrams) == items,
        "hashes": bool((index.hashes[1:] > index.hashes[:-1]).all()),
        "firsts": len(shares) == ngrams and int(index.firsts[0]) == 0 and int(index.firsts[-1]) == postings
        and bool(((shares >= 1) & (shares <= MOST_ITEMS_PER_NGRAM)).all()),
        "items": not postings or int(index.items.max()) < items,
        "ordinals": not postings or int(index.ordinals.max()) < MOST_TOKENS,
        "item_sets": not items or int(index.item_sets.max()) < len(index.head.sets),
        "item_ngrams": not items or int(index.item_ngrams.max()) <= MOST_TOKENS,
    }  # fmt: skip
    for name, is_right in holds.items():
        if not is_right:
            raise RecipeError(f"its {name} contradict the others: the file is damaged; {_MAKE}")
