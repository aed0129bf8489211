"""Submissions of a few lines, for tests of the competition."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np

from finest.recipe.quality_model.format import model_bytes

EDU = hashlib.sha256(resources.files("finest.recipe").joinpath("models/edu.safetensors").read_bytes()).hexdigest()


def model(bits: int = 8, value: int = 1) -> bytes:
    """A small score model; other values are other models."""
    weights = np.full((1, 1 << bits), value, np.int16)
    return model_bytes("own", weights, np.zeros(1, np.int64), edges=np.arange(19, dtype=np.int64))


def recipe_text(more: str = "", name: str = "better", base: str = "finest") -> str:
    """A shipped recipe under another name, with more sections."""
    text = resources.files("finest.recipe").joinpath(f"{base}.toml").read_text(encoding="utf-8")
    return text.replace(f'name = "{base}"', f'name = "{name}"') + more


def with_model(data: bytes, place: str = "own.safetensors", more: str = "") -> str:
    """The section of a recipe that names a model."""
    digest = hashlib.sha256(data).hexdigest()
    return f'\n[[quality_model.models]]\nname = "own"\nmodel = "{place}"\nsha256 = "{digest}"\n{more}\n'


def folder_of(path: Path, recipe: str, **files: bytes) -> Path:
    """A folder with recipe.toml and models, by their names without the suffix."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "recipe.toml").write_text(recipe, encoding="utf-8")
    for name, data in files.items():
        (path / f"{name}.safetensors").write_bytes(data)
    return path
