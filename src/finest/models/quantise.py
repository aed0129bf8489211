"""Turn float weights into a model's integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finest.models.fit import Fitted

MOST = 32_767
"""Largest int16 weight; the smallest used is -32,767."""
RAW_PER_WEIGHT = 256
"""Raw score of a text whose one feature has the weight 1 (see `finest.recipe.quality_model`)."""
_MAX_SCALE = 1 << 20


@dataclass(frozen=True, slots=True)
class Integers:
    weights: NDArray[np.int16]
    bias: NDArray[np.int64]


def scale_of(fitted: Sequence[Fitted]) -> int:
    """Return the largest power of two by which every weight still fits into int16."""
    largest = max(float(np.abs(model.coefficients).max()) for model in fitted)
    if largest == 0:
        return 1
    return int(min(_MAX_SCALE, 2 ** max(0, math.floor(math.log2(MOST / largest)))))


def quantise(fitted: Fitted, scale: int) -> Integers:
    """Round weights and intercept; a raw score is then about 256 * scale times the float score."""
    weights = np.rint(fitted.coefficients * scale).clip(-MOST, MOST).astype(np.int16)
    return Integers(weights, np.rint(fitted.intercept * scale * RAW_PER_WEIGHT).astype(np.int64))
