"""Scores of texts by quality models, in the compiled core or in Python with equal results."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from finest.recipe import native
from finest.recipe.quality_model.format import read_model
from finest.recipe.quality_model.linear import linear_sums

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from finest.recipe.native._core import QualityTable
    from finest.recipe.quality_model.format import ModelFile


class Score(NamedTuple):
    """The score of a text by one model."""

    raw: int
    """A score model's raw score; a class model's margin, the best class's raw score minus the second best's."""
    bin: int
    """0 to 19: how many of the model's edges are at most `raw`; 0 for a class model."""
    label: str
    """The best class of a class model, of equals the first; "" for a score model."""


@dataclass(frozen=True, slots=True, eq=False)
class QualityModel:
    """A loaded quality model."""

    name: str
    kind: str
    classes: tuple[str, ...]
    """The classes of a class model; empty for a score model."""
    bits: int
    sha256: str
    weights: NDArray[np.int16]
    """Shape (1, 2^bits), or (classes, 2^bits)."""
    bias: tuple[int, ...]
    edges: tuple[int, ...]
    _table: list[QualityTable] = field(default_factory=list, repr=False)

    @staticmethod
    def load(path: Path, sha256: str | None = None) -> QualityModel:
        """Load a model's file; raise ModelError if it is invalid or its sha256 differs from `sha256`."""
        return QualityModel.of(read_model(path, sha256))

    @staticmethod
    def of(file: ModelFile) -> QualityModel:
        """Return the model of a file that has been read."""
        head, tensors = file.head, file.tensors
        return QualityModel(
            head.name, head.kind, head.classes, head.bits, file.sha256, tensors["weights"],
            tuple(tensors["bias"].tolist()), tuple(tensors["edges"].tolist()) if "edges" in tensors else (),
        )  # fmt: skip

    def score(self, text: str | bytes) -> Score:
        """Return the score of a text; raise UnicodeEncodeError for a lone surrogate."""
        return score_all((self,), text)[0]

    def table(self) -> QualityTable:
        """Return the weights as the compiled core reads them, prepared once."""
        core = native.core()
        assert core is not None
        if not self._table:
            self._table.append(core.quality_open(self.bits, len(self.weights), self.weights))
        return self._table[0]

    def scored(self, sums: tuple[int, ...]) -> Score:
        """Return the score for the rows' sums without bias."""
        raw = [total + bias for total, bias in zip(sums, self.bias, strict=True)]
        if not self.classes:
            return Score(raw[0], bisect_right(self.edges, raw[0]), "")
        best = raw.index(max(raw))
        return Score(raw[best] - max(raw[:best] + raw[best + 1 :]), 0, self.classes[best])


def score_all(models: Sequence[QualityModel], text: str | bytes) -> tuple[Score, ...]:
    """Return the score of a text by each model; the core reads the text once for all of them."""
    core = native.core()
    if core is not None:
        sums = core.quality_sums(tuple(model.table() for model in models), text)
    else:
        sums = tuple(linear_sums(text, model.weights) for model in models)
    return tuple(model.scored(found) for model, found in zip(models, sums, strict=True))
