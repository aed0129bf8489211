"""What a language model of this measure is: fitted on one text, it says what another one costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from finest.errors import UsageError
from finest.validator.quality.kneser_ney import fit
from finest.validator.quality.pieces import Pieces, Told
from finest.validator.quality.tokens import MODEL_SHA256


class Tier(Protocol):
    """A kind of model."""

    @property
    def number(self) -> int:
        """Its name: 1 or 2."""

    @property
    def tokens(self) -> int:
        """Training tokens of each side, where nobody wants others."""

    @property
    def parts(self) -> Mapping[str, str]:
        """sha256s of the files that figures depend on."""

    @property
    def runs_on(self) -> Mapping[str, str]:
        """Device and release of a library, where figures depend on them."""

    def nats(self, training: Pieces, heldout: Pieces, name: str, told: Told) -> NDArray[np.float64]:
        """What each token of `heldout` costs a model fitted on `training`, which is not empty; `name` names the fit."""


class NGrams:
    """Tier 1: interpolated Kneser-Ney. Equal texts give equal figures on every machine."""

    number = 1
    tokens = 4_000_000
    """400,000 told 10 % boilerplate from clean text for 20 of 20 seeds; more lessen the error.
    docs/concepts/scoring.md has the figures."""
    parts: Mapping[str, str] = {"tokenizer": MODEL_SHA256}
    runs_on: Mapping[str, str] = {}

    def nats(self, training: Pieces, heldout: Pieces, name: str, told: Told) -> NDArray[np.float64]:  # noqa: ARG002
        """As the protocol has it."""
        return -fit(training.grams).log_probabilities(heldout.grams)


N_GRAMS = NGrams()


def tier_of(number: int, device: str | None = None, save: Path | None = None) -> Tier:
    """Tier 1 or 2; `device` and `save` are for the second.

    Raises UsageError where they are named for the first, or where the second's packages are not installed.
    """
    if number == 1:
        if device or save:
            raise UsageError("--device and --save are for --tier 2; n-grams are counted on the CPU and not kept")
        return N_GRAMS
    try:
        from finest.validator.quality.neural.continued import ContinuedLlama
    except ImportError as error:
        wanted = error.name or error
        raise UsageError(f"{wanted} is not installed; --tier 2 needs: pip install 'finest-data[gpu]'") from error
    return ContinuedLlama(device, save)
