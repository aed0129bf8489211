"""Tier 2: continue training from the pinned checkpoint at a low constant learning rate.

This measures what a text adds to what the model already knows. (Ultra-FineWeb, arXiv 2505.05427, verifies data with a
nearly trained model in the same way.) Starting from random weights, the figures of one dataset spread twenty times as
far at the same cost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from finest.errors import RunError, UsageError
from finest.validator.quality.neural.checkpoint import SEED_SHA256, save_folder, seed_model
from finest.validator.quality.neural.train import nats, train
from finest.validator.quality.pieces import Pieces, Told
from finest.validator.quality.tokens import ENGLISH

RATE = 1e-3
"""Learning rate, with which 100,000 tokens took real pages from 2.296 to 2.230 bits per byte."""
WARM_UP = 10
"""Steps over which the rate rises, while AdamW learns the scale of the gradients."""
TRAINING_SHARE = 0.6
"""Share of a fit's time that training takes; prediction takes the rest."""


class ContinuedLlama:
    """Tier 2. The same texts give the same figures on the same device with the same release of PyTorch."""

    number = 2
    tokens = 400_000
    parts: Mapping[str, str] = {"checkpoint": SEED_SHA256}
    in_languages = ENGLISH
    """The checkpoint knows its tokens alone."""

    def __init__(self, device: str | None = None, save: Path | None = None) -> None:
        """Use `device`, by default a GPU if there is one; save each fitted model in a subfolder of `save`.

        Raises UsageError for a device that does not exist or a folder that cannot be created, RecipeError if the
        checkpoint is not the pinned one.
        """
        self._device = available(device)
        self._save = save
        if save:
            _make(save)
        self._start = seed_model()
        self.runs_on: Mapping[str, str] = {"device": self._device, "torch": torch.__version__}

    def nats(self, training: Pieces, heldout: Pieces, name: str, told: Told) -> NDArray[np.float64]:
        """Train and predict, as `Tier.nats` describes. Raises RunError if the device has too little memory."""
        try:
            with repeatable():
                model = deepcopy(self._start).to(self._device)
                train(model, training.grams, rates, lambda share: told(TRAINING_SHARE * share))
                if self._save:
                    save_folder(model, self._save / name)
                return nats(model, heldout, lambda share: told(TRAINING_SHARE + (1 - TRAINING_SHARE) * share))
        except torch.OutOfMemoryError as error:
            raise RunError(f"{self._device} has too little memory left; free some, or take --device cpu") from error


def available(device: str | None) -> str:
    """Return `cuda` or `cpu`: the requested device, else a GPU if there is one."""
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError(f"PyTorch {torch.__version__} sees no GPU here; take --device cpu, or another build of it")
    return device or ("cuda" if there else "cpu")


def rates(steps: int) -> list[float]:
    """Return the learning rate of each step."""
    return [RATE * min(1.0, (step + 1) / WARM_UP) for step in range(steps)]


@contextmanager
def repeatable() -> Iterator[None]:
    """Restrict PyTorch to algorithms that give the same sums each time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not repeatable without it
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.use_deterministic_algorithms(before)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
