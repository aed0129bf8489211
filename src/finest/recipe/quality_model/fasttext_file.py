"""Read a fastText model of two labels from its .bin file, as the numbers of a `FasttextTable`.

The layout is that of fastText 0.9 (fasttext.cc, args.cc, dictionary.cc, densematrix.cc: saveModel and its parts), all
numbers little-endian. A stranger's file costs at most its size in reading and a bounded amount of memory: the matrix of
vectors is read in blocks, and each vector becomes one number.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from finest.errors import ModelError
from finest.recipe.quality_model.fasttext import MAX_SUBWORD, MAX_WORD_NGRAMS
from finest.recipe.quality_model.format import BINS, MAX_MODEL_BYTES, Tensors, encoded
from finest.recipe.quality_model.hashing import fnv64

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC, VERSION = 793712314, 12
SUPERVISED, SOFTMAX = 3, 3
LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 4: "one-vs-all"}
MAX_DIM = 4096
MAX_WORD_BYTES = 1 << 16
MAX_ROWS = MAX_MODEL_BYTES // 2
"""More words and buckets than that do not fit into a model's file."""
_BLOCK_BYTES = 8 << 20
_ARGS = struct.Struct("<12id")
_SIZES = struct.Struct("<3i2q")
_SHAPE = struct.Struct("<2q")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FasttextFile:
    """A supervised fastText model of two labels, reduced to one number for each of its vectors."""

    labels: tuple[str, str]
    keys: NDArray[np.uint64]
    """Hashes of the words, in the order of the file."""
    numbers: NDArray[np.float64]
    """The product of each vector with the difference of the second label's vector and the first's: words, buckets."""
    word_ngrams: int
    minn: int
    maxn: int


def read_fasttext(path: Path, progress: Progress = lambda _, __: None) -> FasttextFile:
    """Read a model; `progress` gets the bytes read and the size of the file.

    Raises ModelError, with the file and the reason, if the file cannot be read, is cut off, is another version, or
    holds a model without an integer table: not supervised, not two labels, not trained with softmax, or quantised.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size, progress)
    except OSError as error:
        raise ModelError(f"fastText model {path}: cannot be read: {error.strerror or error}") from error
    except ModelError as error:
        raise ModelError(f"fastText model {path}: {error}") from error


def table_bytes(name: str, model: FasttextFile, good: str) -> bytes:
    """Return the file of the quality model whose score rises with the label `good`.

    The largest number becomes 32767. Bin i begins where fastText's probability of `good` reaches i / 20.
    """
    sign = 1 if good == model.labels[1] else -1
    most = float(np.abs(model.numbers).max(initial=0.0)) or 1.0
    scale = 32767 / most
    table = np.rint(sign * scale * model.numbers).astype(np.int16)
    order = np.argsort(model.keys)
    keys = model.keys[order]
    if (keys[1:] == keys[:-1]).any():
        raise ModelError("two of its words have the same 64-bit hash, so they cannot be told apart")
    shares = [place / BINS for place in range(1, BINS)]
    edges = np.array([math.ceil(256 * scale * math.log(p / (1 - p))) for p in shares], np.int64)
    head = {
        "kind": "fasttext", "name": name, "word_ngrams": model.word_ngrams, "minn": model.minn, "maxn": model.maxn,
    }  # fmt: skip
    words = len(keys)
    tensors: Tensors = {
        "keys": keys, "words": table[:words][order], "buckets": table[words:], "bias": np.zeros(1, np.int64),
        "edges": edges,
    }  # fmt: skip
    return encoded(head, tensors)


def _read(file: BinaryIO, size: int, progress: Progress) -> FasttextFile:
    magic, version = struct.unpack("<2i", _take(file, 8))
    if magic != MAGIC:
        raise ModelError("is no fastText model (.bin)")
    if version != VERSION:
        raise ModelError(f"has version {version} of fastText's format, and version {VERSION} can be imported")
    dim, _, _, _, _, word_ngrams, loss, kind, bucket, minn, maxn, _, _ = _ARGS.unpack(_take(file, _ARGS.size))
    if kind != SUPERVISED:
        raise ModelError("is no supervised model: it has word vectors and no labels")
    if loss != SOFTMAX:
        raise ModelError(f"was trained with {LOSSES.get(loss, 'an unknown loss')}; only softmax can be imported")
    if not 1 <= word_ngrams <= MAX_WORD_NGRAMS or not 0 <= minn <= MAX_SUBWORD or not 0 <= maxn <= MAX_SUBWORD:
        raise ModelError(f"has word {word_ngrams}-grams and subwords of {minn} to {maxn} characters, out of range")
    has_buckets = word_ngrams > 1 or maxn > 0
    if not 1 <= dim <= MAX_DIM or not 0 <= bucket <= MAX_ROWS or (has_buckets and not bucket):
        raise ModelError(f"has {dim} dimensions and {bucket} buckets, out of range")
    words, labels = _dictionary(file, size)
    if _take(file, 1) != b"\0":
        raise ModelError("is quantised (.ftz), so its vectors are rounded; import the .bin that it was made from")
    rows = len(words) + bucket
    begin = file.tell() + _SHAPE.size
    if _SHAPE.unpack(_take(file, _SHAPE.size)) != (rows, dim):
        raise ModelError("has a matrix of another size than its words and buckets")
    file.seek(begin + 4 * rows * dim)
    direction = _direction(file, dim)
    file.seek(begin)
    numbers = _products(file, rows, direction, size, progress)
    if not has_buckets:
        numbers = numbers[: len(words)]
    keys = np.array([fnv64.__wrapped__(word) for word in words], np.uint64)
    return FasttextFile((labels[0], labels[1]), keys, numbers, word_ngrams, minn, maxn)


def _dictionary(file: BinaryIO, size: int) -> tuple[list[bytes], list[str]]:
    entries, word_count, label_count, _, pruned = _SIZES.unpack(_take(file, _SIZES.size))
    if pruned >= 0:
        raise ModelError("is pruned (.ftz); import the .bin that it was made from")
    if label_count != 2:
        raise ModelError(f"has {label_count} labels, and only a model of two labels can be imported")
    if word_count < 0 or word_count > min(MAX_ROWS, size) or entries != word_count + label_count:
        raise ModelError(f"has {word_count} words of {entries} entries, out of range")
    names = []
    for place in range(entries):
        name, kind = _entry(file)
        if kind != (place >= word_count):
            raise ModelError("has words and labels in another order than fastText writes")
        names.append(name)
    labels = [label.decode("utf-8", "replace").removeprefix("__label__") for label in names[word_count:]]
    return names[:word_count], labels


def _entry(file: BinaryIO) -> tuple[bytes, int]:
    """Read a word that ends with NUL, its count, and its type: 0 for a word, 1 for a label."""
    start = file.tell()
    head = file.read(64)
    while (end := head.find(b"\0")) < 0:
        more = file.read(1024)
        if not more or len(head) > MAX_WORD_BYTES:
            raise ModelError("is cut off, or has a word that does not end")
        head += more
    file.seek(start + end + 1)
    return head[:end], _take(file, 9)[8]


def _direction(file: BinaryIO, dim: int) -> NDArray[np.float64]:
    """Read the labels' vectors, and return the second minus the first."""
    if _take(file, 1) != b"\0":
        raise ModelError("has quantised labels; import the .bin that it was made from")
    if _SHAPE.unpack(_take(file, _SHAPE.size)) != (2, dim):
        raise ModelError("has a matrix of labels of another size than two labels")
    both = np.frombuffer(_take(file, 8 * dim), "<f4").astype(np.float64).reshape(2, dim)
    if file.read(1):
        raise ModelError("has bytes after its end")
    found: NDArray[np.float64] = both[1] - both[0]
    return found


def _products(
    file: BinaryIO, rows: int, direction: NDArray[np.float64], size: int, progress: Progress
) -> NDArray[np.float64]:
    dim = len(direction)
    numbers = np.empty(rows)
    step = max(1, _BLOCK_BYTES // (4 * dim))
    for start in range(0, rows, step):
        count = min(step, rows - start)
        block = np.frombuffer(_take(file, 4 * dim * count), "<f4").reshape(count, dim)
        with np.errstate(invalid="ignore", over="ignore"):
            numbers[start : start + count] = block.astype(np.float64) @ direction
        progress(file.tell(), size)
    if not np.isfinite(numbers).all():
        raise ModelError("holds numbers that are not finite: its training failed")
    return numbers


def _take(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise ModelError("is cut off")
    return data
