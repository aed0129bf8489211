"""Read and write a quality model's file: tensors in safetensors, and one metadata key `finest_model`.

`finest_model` holds a head as canonical JSON. Everything that decides a score is in the file, so its sha256 names the
model. The tensors of a linear model with K rows (one for a score, else one per class):

    weights   int16 [K, 2^bits]
    bias      int64 [K]
    edges     int64 [19]   score models only: the ascending raw scores at which the next of 20 bins begins

and those of an imported fastText model (`fasttext.py`), beside bias [1] and edges:

    keys      uint64 [n]   hashes of its words, ascending
    words     int16 [n]    their numbers
    buckets   int16 [m]    the numbers of word n-grams and subwords
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from finest.errors import ModelError
from finest.recipe.quality_model.fasttext import MAX_SUBWORD, MAX_WORD_NGRAMS
from finest.recipe.quality_model.hashing import MAX_BITS, MIN_BITS
from finest.recipe.schema import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

KEY = "finest_model"
MAX_MODEL_BYTES = 64 << 20
"""The largest file that is read. The shipped models have at most 2 MB; 2^20 weights in 20 classes take 40 MB, as does a
fastText model of 4 million words."""
BINS = 20
MAX_CLASSES = 32
MAX_HEAD_BYTES = 64 << 10
MAX_BIAS = 1 << 48
"""Bound of the bias and the edges. The weighted sum of a text stays far below it, so no raw score leaves 64 bits."""
_LENGTH = struct.Struct("<Q")

Tensors = dict[str, "NDArray[Any]"]


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["finest-model/1"] = "finest-model/1"
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")


class LinearHead(_Head):
    """The description of a linear model in its file."""

    kind: Literal["linear"] = "linear"
    bits: int = Field(ge=MIN_BITS, le=MAX_BITS, strict=True)
    ngrams: tuple[Literal[1], Literal[2]] = (1, 2)
    classes: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9 _.-]{0,39}$")], ...] = Field(
        default=(), max_length=MAX_CLASSES
    )
    """The classes that the rows stand for; empty for a score model."""

    @model_validator(mode="after")
    def _has_distinct_classes(self) -> LinearHead:
        if len(self.classes) == 1 or len(set(self.classes)) < len(self.classes):
            raise ValueError("classes must be two or more different names, or none for a score model")
        return self


class FasttextHead(_Head):
    """The description of an imported fastText model in its file."""

    kind: Literal["fasttext"] = "fasttext"
    classes: tuple[()] = ()
    word_ngrams: int = Field(ge=1, le=MAX_WORD_NGRAMS, strict=True)
    minn: int = Field(ge=0, le=MAX_SUBWORD, strict=True)
    maxn: int = Field(ge=0, le=MAX_SUBWORD, strict=True)

    @property
    def has_buckets(self) -> bool:
        """Whether the model has numbers of word n-grams or subwords."""
        return self.word_ngrams > 1 or self.maxn > 0


Head = LinearHead | FasttextHead
_HEAD: TypeAdapter[Head] = TypeAdapter(Annotated[Head, Field(discriminator="kind")])


class ModelFile(NamedTuple):
    """The checked content of a model's file."""

    head: Head
    tensors: Tensors
    sha256: str


def model_bytes(
    name: str,
    weights: NDArray[np.int16],
    bias: NDArray[np.int64],
    *,
    edges: NDArray[np.int64] | None = None,
    classes: tuple[str, ...] = (),
) -> bytes:
    """Return the file of a linear model: `weights` has the shape (1, 2^bits), or (classes, 2^bits).

    Equal arguments give equal bytes; write them with `atomic_files.write_whole`. A score model needs `edges`, a class
    model has none. Raises ModelError for arguments that `read_model` would refuse.
    """
    bits = int(weights.shape[-1]).bit_length() - 1
    tensors: Tensors = {"weights": weights, "bias": bias}
    if edges is not None:
        tensors["edges"] = edges
    return encoded({"kind": "linear", "name": name, "bits": bits, "classes": classes}, tensors)


def encoded(head: Mapping[str, Any], tensors: Tensors) -> bytes:
    """Return the file with this head and these tensors; raise ModelError if it is not a valid model."""
    checked = _head(head)
    check_tensors(checked, tensors)
    text = canonical_json(checked.model_dump(mode="json")).decode()
    whole = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    data = safetensors.numpy.save(whole, metadata={KEY: text})
    if len(data) > MAX_MODEL_BYTES:
        raise ModelError(f"the model has {len(data):,} bytes; at most {MAX_MODEL_BYTES:,} are allowed: use fewer bits")
    return data


def read_model(path: Path, sha256: str | None = None) -> ModelFile:
    """Read and check a model's file.

    Raises ModelError, with the file and the reason, if it cannot be read, is no valid model, or its sha256 differs from
    `sha256`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ModelError(f"quality model {path}: cannot be read: {error.strerror or error}") from error
    found = hashlib.sha256(data).hexdigest()
    try:
        if len(data) > MAX_MODEL_BYTES:
            raise ModelError(f"has more than {MAX_MODEL_BYTES:,} bytes")
        if sha256 is not None and found != sha256:
            raise ModelError(f"its sha256 is {found}, expected is {sha256}; name the file with that sha256")
        head, tensors = decoded(data)
    except ModelError as error:
        raise ModelError(f"quality model {path}: {error}") from error
    return ModelFile(head, tensors, found)


def decoded(data: bytes) -> tuple[Head, Tensors]:
    """Return head and tensors of a model's file; raise ModelError if it is not a valid model."""
    head = _head(_metadata(data))
    try:
        tensors = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"is no valid safetensors file: {error}") from error
    check_tensors(head, tensors)
    return head, tensors


def check_tensors(head: Head, tensors: Tensors) -> None:
    """Raise ModelError if the tensors are not those that the head describes."""
    wanted = _linear_tensors(head) if isinstance(head, LinearHead) else _fasttext_tensors(tensors)
    if tensors.keys() != wanted.keys():
        raise ModelError(f"has the tensors {_named(tensors)}; a model of this kind has {_named(wanted)}")
    for name, (dtype, shape) in wanted.items():
        found = tensors[name]
        if found.dtype != dtype or found.shape != shape:
            need = f"{np.dtype(dtype)} {list(shape)}"
            raise ModelError(f"tensor {name} is {found.dtype} {list(found.shape)} where {need} is expected")
    for name in wanted.keys() & {"bias", "edges"}:
        if tensors[name].min() < -MAX_BIAS or tensors[name].max() > MAX_BIAS:
            raise ModelError(f"tensor {name} has a value beyond 2^48")
    if "edges" in wanted and (np.diff(tensors["edges"]) < 0).any():
        raise ModelError("the edges of the bins are not in ascending order")
    if isinstance(head, FasttextHead):
        if head.has_buckets and not tensors["buckets"].size:
            raise ModelError("tensor buckets is empty, and the model has word n-grams or subwords")
        if (tensors["keys"][1:] <= tensors["keys"][:-1]).any():
            raise ModelError("tensor keys is not in ascending order")


_Wanted = dict[str, tuple[type, tuple[int, ...]]]


def _linear_tensors(head: LinearHead) -> _Wanted:
    rows = max(1, len(head.classes))
    wanted: _Wanted = {"weights": (np.int16, (rows, 1 << head.bits)), "bias": (np.int64, (rows,))}
    return wanted if head.classes else wanted | {"edges": (np.int64, (BINS - 1,))}


def _fasttext_tensors(tensors: Tensors) -> _Wanted:
    words, buckets = (tensors[name].size if name in tensors else 0 for name in ("keys", "buckets"))
    return {
        "keys": (np.uint64, (words,)), "words": (np.int16, (words,)), "buckets": (np.int16, (buckets,)),
        "bias": (np.int64, (1,)), "edges": (np.int64, (BINS - 1,)),
    }  # fmt: skip


def _metadata(data: bytes) -> Any:
    """Return the parsed value of the metadata key; safetensors' numpy functions do not give it."""
    size = _LENGTH.unpack_from(data)[0] if len(data) >= _LENGTH.size else 0
    if not 2 <= size <= min(len(data) - _LENGTH.size, MAX_HEAD_BYTES):
        raise ModelError("is no safetensors file, or is cut off")
    try:
        header = json.loads(data[_LENGTH.size : _LENGTH.size + size])
        return json.loads(header["__metadata__"][KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"is no model of Finest Data: its header has no metadata key {KEY}; make models with: finest model train"
        ) from error


def _head(data: Any) -> Head:
    try:
        return _HEAD.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelError(f"{place + ': ' if place else ''}{first['msg']}") from error


def _named(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(str(name)[:40] for name in list(names)[:8])) or "none"
