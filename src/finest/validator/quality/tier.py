"""Language models of the quality measure: a model is fitted on one text and predicts what another text costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from finest.errors import UsageError
from finest.validator.quality.kneser_ney import fit
from finest.validator.quality.pieces import Pieces, Told
from finest.validator.quality.tokens import LANGUAGES, Vocabulary


class Tier(Protocol):
    """The interface of a kind of model."""

    @property
    def number(self) -> int:
        """The tier's number: 1 or 2."""

    @property
    def tokens(self) -> int:
        """Default number of training tokens per side."""

    @property
    def parts(self) -> Mapping[str, str]:
        """The sha256s of the files on which figures depend, besides the tokenizer."""

    @property
    def in_languages(self) -> Vocabulary:
        """The tokenizer for texts in other languages than English; that for English texts is `ENGLISH`."""

    @property
    def runs_on(self) -> Mapping[str, str]:
        """The device and library release on which figures depend, if they do."""

    def nats(self, training: Pieces, heldout: Pieces, name: str, told: Told) -> NDArray[np.float64]:
        """Return the nats that each token of `heldout` costs a model fitted on `training`, which is not empty.

        `name` names the fit.
        """


class NGrams:
    """Tier 1: interpolated Kneser-Ney. Equal texts give equal figures on every machine."""

    number = 1
    tokens = 4_000_000
    """400,000 tokens were enough to tell 10 % boilerplate from clean text for 20 of 20 seeds; more reduce the error.
    docs/concepts/scoring.md has the figures."""
    parts: Mapping[str, str] = {}
    in_languages = LANGUAGES
    runs_on: Mapping[str, str] = {}

    def nats(self, training: Pieces, heldout: Pieces, name: str, told: Told) -> NDArray[np.float64]:  # noqa: ARG002
        """Fit the n-gram model and return the cost of each token, as `Tier.nats` describes."""
        return -fit(training.grams).log_probabilities(heldout.grams)


N_GRAMS = NGrams()


def tier_of(number: int, device: str | None = None, save: Path | None = None) -> Tier:
    """Return tier 1 or 2; `device` and `save` apply to tier 2 only.

    Raises UsageError if they are given for tier 1, or if the packages of tier 2 are not installed.
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
