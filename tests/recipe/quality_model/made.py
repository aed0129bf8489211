"""Quality models with drawn weights, for tests."""

from __future__ import annotations

import numpy as np

from finest.recipe.quality_model import QualityModel, model_bytes
from finest.recipe.quality_model.format import ModelFile, decoded

CLASSES = ("article", "forum", "listing")


def model_file(name: str = "edu", bits: int = 12, classes: tuple[str, ...] = (), seed: int = 0) -> bytes:
    """The file of a linear model whose weights take every value of an int16."""
    draw = np.random.default_rng(seed)
    rows = max(1, len(classes))
    weights = draw.integers(-(2**15), 2**15, (rows, 1 << bits), dtype=np.int16)
    edges = None if classes else np.sort(draw.integers(-(10**6), 10**6, 19))
    return model_bytes(name, weights, draw.integers(-(10**5), 10**5, rows), edges=edges, classes=classes)


def model(name: str = "edu", bits: int = 12, classes: tuple[str, ...] = (), seed: int = 0) -> QualityModel:
    """The same model, loaded."""
    head, tensors = decoded(model_file(name, bits, classes, seed))
    return QualityModel.of(ModelFile(head, tensors, ""))
