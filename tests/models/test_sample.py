"""What is held of the sources: a bounded number of documents, whatever their order, and no text twice."""

from __future__ import annotations

import random

import numpy as np
import pytest

from finest.models.documents import Document
from finest.models.matrix import isqrt, matrix_of
from finest.models.sample import Sample
from finest.recipe.quality_model import QualityModel, model_bytes
from finest.recipe.quality_model.format import ModelFile, decoded


def document(text: str, group: str = "g") -> Document:
    return Document(text, None, group, "group")


def test_a_bounded_part_of_each_label_is_held() -> None:
    """Ten million ordinary pages do not push out a thousand good ones: each label has its part."""
    sample = Sample(bits=12, max_documents=40)
    for number in range(15):
        sample.add(document(f"good {number}"), 1.0, 0)
    for number in range(500):
        sample.add(document(f"other {number}"), 0.0, 1)
    labels = [held.label for held in sample.taken()]
    assert (labels.count(1.0), labels.count(0.0)) == (15, 20)


def test_the_order_decides_nothing() -> None:
    texts = [f"text {number}" for number in range(300)]
    drawn = []
    for seed in (1, 2):
        random.Random(seed).shuffle(texts)
        sample = Sample(bits=12, max_documents=50)
        for text in texts:
            sample.add(document(text), 0.0, 0)
        drawn.append([held.rank for held in sample.taken()])
    assert drawn[0] == drawn[1] and len(drawn[0]) == 50


def test_a_text_counts_once() -> None:
    """A page that is mirrored on a hundred hosts would otherwise be in every fold."""
    sample = Sample(bits=12, max_documents=100)
    outcomes = [sample.add(document("the same page", f"host{number}"), 1.0, number) for number in range(3)]
    assert outcomes == ["drawn", "duplicate", "duplicate"]


def test_features_are_bounded_too() -> None:
    """A few huge documents take no more memory than many small ones."""
    sample = Sample(bits=18, max_documents=1000, max_held=2_000)
    for number in range(50):
        sample.add(document(" ".join(f"w{number}x{word}" for word in range(100))), 0.0, 0)
    held = sample.taken()
    assert sum(len(one.indices) for one in held) <= 2_000 and len(held) >= 9


@pytest.mark.parametrize("rows", [1, 3])
def test_scores_of_the_matrix_are_those_of_the_model(rows: int) -> None:
    """The evaluation's integers are those that anybody computes from the texts."""
    draw = np.random.Generator(np.random.PCG64(7))
    texts = [" ".join(f"t{word}" for word in draw.integers(0, 1 + size * 3, size * 40)) for size in range(1, 60)]
    texts += ["a", "a " * 5_000, "a b " * 70_000, draw.bytes(3_000).decode("latin-1")]
    sample = Sample(bits=10, max_documents=1_000)
    for number, text in enumerate(texts):
        assert sample.add(document(text), 0.0, number) == "drawn"
    held = sample.taken()
    order = [one.source for one in held]
    weights = draw.integers(-32_767, 32_768, (rows, 1 << 10)).astype(np.int16)
    bias = draw.integers(-1_000_000, 1_000_000, rows)
    classes = tuple("abc") if rows > 1 else ()
    data = model_bytes("m", weights, bias, classes=classes, edges=None if classes else np.zeros(19, np.int64))
    model = QualityModel.of(ModelFile(*decoded(data), ""))
    found = matrix_of(held, 10).raw_scores(weights, bias)
    for row, number in enumerate(order):
        score = model.score(texts[number])
        ordered = sorted(found[row])
        assert score.raw == (ordered[-1] - ordered[-2] if classes else found[row, 0])
        assert not classes or score.label == classes[int(found[row].argmax())]


def test_integer_roots_are_exact() -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    roots = draw.integers(0, 1 << 28, 10_000)
    numbers = np.concatenate([roots * roots + offset for offset in (-1, 0, 1)]).clip(0)
    found = isqrt(numbers)
    assert (found * found <= numbers).all() and ((found + 1) * (found + 1) > numbers).all()
