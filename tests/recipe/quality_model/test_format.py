"""Model files: written bit by bit alike, and refused in one line where they are anything else."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from finest.errors import FinestError, ModelError
from finest.recipe.quality_model import MAX_MODEL_BYTES, QualityModel, model_bytes
from finest.recipe.quality_model.format import decoded
from tests.deep import examples
from tests.recipe.quality_model.made import CLASSES, model_file

BITS = 4
HEAD = {"format": "finest-model/1", "name": "edu", "kind": "linear", "bits": BITS, "ngrams": [1, 2], "classes": []}
TENSORS: dict[str, Any] = {
    "weights": np.zeros((1, 1 << BITS), np.int16), "bias": np.zeros(1, np.int64), "edges": np.arange(19),
}  # fmt: skip


def raw_file(head: Any = None, **tensors: Any) -> bytes:
    """A safetensors file with that head, and those tensors changed; None leaves a tensor out."""
    kept = {name: value for name, value in (TENSORS | tensors).items() if value is not None}
    return safetensors.numpy.save(kept, metadata={"finest_model": json.dumps(HEAD | (head or {}))})


def test_equal_models_have_equal_files(tmp_path: Path) -> None:
    """The sha256 names a model; loading it gives back what was written."""
    path = tmp_path / "edu.safetensors"
    path.write_bytes(model_file())
    assert path.read_bytes() == model_file() != model_file(seed=1)
    model = QualityModel.load(path, hashlib.sha256(path.read_bytes()).hexdigest())
    head, tensors = decoded(path.read_bytes())
    assert (model.name, model.kind, model.bits, model.classes) == ("edu", "linear", 12, ())
    assert (model.weights == tensors["weights"]).all()
    assert model.edges == tuple(tensors["edges"])
    assert json.loads(path.read_bytes()[8:].split(b"}}")[0].decode() + "}}")["__metadata__"]["finest_model"] == (
        '{"bits":12,"classes":[],"format":"finest-model/1","kind":"linear","name":"edu","ngrams":[1,2]}'
    )
    assert head.classes == ()


HOSTILE = {
    "is no safetensors file": b"GGUF" * 100,
    "or is cut off": b"",
    "cut off": struct.pack("<Q", 2**60) + b"{}",
    "no metadata key finest_model": safetensors.numpy.save(TENSORS),
    "no valid safetensors file": raw_file()[:-3],
    "valid safetensors file": raw_file() + b"\0",
    "Input tag 'svm'": raw_file({"kind": "svm"}),
    "Input should be 'finest-model/1'": raw_file({"format": "finest-model/2"}),
    "bits: Input should be less than or equal to 22": raw_file({"bits": 60}),
    "bits: Input should be a valid integer": raw_file({"bits": 4.0}),
    "name: String should match": raw_file({"name": "Robert'); DROP TABLE"}),
    "Extra inputs are not permitted": raw_file({"run": "rm -rf /"}),
    "classes must be two or more different": raw_file({"classes": ["a", "a"]}),
    "tensor weights is int16 [1, 16] where int16 [1, 32]": raw_file({"bits": 5}),
    "tensor weights is int16 [16]": raw_file(weights=np.zeros(1 << BITS, np.int16)),
    "tensor weights is float32": raw_file(weights=np.full((1, 1 << BITS), np.nan, np.float32)),
    "tensor bias is int32": raw_file(bias=np.zeros(1, np.int32)),
    "tensor bias has a value beyond": raw_file(bias=np.array([-(2**63)])),
    "tensor edges has a value beyond": raw_file(edges=np.full(19, 2**62)),
    "not in ascending order": raw_file(edges=np.arange(19)[::-1].copy()),
    "a model of this kind has bias, edges, weights": raw_file(edges=None),
    "has the tensors bias, edges, more, weights": raw_file(more=np.zeros(1)),
    "tensor bias is int64 [1] where int64 [2]": raw_file(
        {"classes": ["a", "b"]}, edges=None, weights=np.zeros((2, 16), np.int16)
    ),
    "word_ngrams": raw_file({"kind": "fasttext"}),
}  # fmt: skip


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, reason: str) -> None:
    """In one line with the file's name."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(HOSTILE[reason])
    with pytest.raises(ModelError) as found:
        QualityModel.load(path)
    assert reason in str(found.value)
    assert str(found.value).startswith(f"quality model {path}: ")
    assert "\n" not in str(found.value)


def fasttext_file(head: dict[str, Any], keys: list[int], buckets: int) -> bytes:
    """A fastText model's file, however its parts fit."""
    head = {"format": "finest-model/1", "name": "x", "kind": "fasttext", "classes": [], "minn": 0, "maxn": 0} | head
    tensors = {
        "keys": np.array(keys, np.uint64), "words": np.zeros(2, np.int16), "buckets": np.zeros(buckets, np.int16),
        "bias": np.zeros(1, np.int64), "edges": np.arange(19),
    }  # fmt: skip
    return safetensors.numpy.save(tensors, metadata={"finest_model": json.dumps(head)})


def test_hostile_fasttext_files_are_refused() -> None:
    """Numbers that a scorer would look up outside of its tables."""
    decoded(fasttext_file({"word_ngrams": 1}, [1, 2], 0))
    for reason, data in {
        "tensor buckets is empty": fasttext_file({"word_ngrams": 2}, [1, 2], 0),
        "tensor words is": fasttext_file({"word_ngrams": 1}, [1, 2, 3], 0),
        "keys is not in ascending order": fasttext_file({"word_ngrams": 1}, [2, 2], 0),
        "word_ngrams: Input should be less": fasttext_file({"word_ngrams": 1000}, [1, 2], 4),
        "maxn: Input should be greater": fasttext_file({"word_ngrams": 1, "maxn": -1}, [1, 2], 4),
    }.items():
        with pytest.raises(ModelError, match=reason):
            decoded(data)


def test_another_files_sha256_is_refused(tmp_path: Path) -> None:
    """Both are named."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(model_file())
    with pytest.raises(
        ModelError, match=rf"its sha256 is {hashlib.sha256(model_file()).hexdigest()}, expected is 0000"
    ):
        QualityModel.load(path, "0" * 64)
    with pytest.raises(ModelError, match="No such file"):
        QualityModel.load(tmp_path / "gone.safetensors")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte costs no more than the limit."""
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ModelError, match=f"more than {MAX_MODEL_BYTES:,} bytes"):
        QualityModel.load(path)


def test_random_damage_is_a_model_or_an_error_of_ours() -> None:
    """Whatever a stranger's file holds."""
    whole, draw = model_file(bits=BITS, classes=CLASSES), random.Random(3)
    for _ in range(examples(300, 20_000)):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            decoded(bytes(data))
        except FinestError:
            continue


def test_what_cannot_be_a_model_is_not_written() -> None:
    """The writer refuses what the reader would."""
    weights = np.zeros((1, 16), np.int16)
    with pytest.raises(ModelError, match="a model of this kind has bias, edges, weights"):
        model_bytes("edu", weights, np.zeros(1, np.int64))
    with pytest.raises(ModelError, match="tensor weights is float64"):
        model_bytes("edu", weights.astype(float), np.zeros(1, np.int64), edges=np.arange(19))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="use fewer bits"):
        model_bytes("edu", np.zeros((9, 1 << 22), np.int16), np.zeros(9, np.int64), classes=tuple("abcdefghi"))
