"""Scores of texts by quality models, in the compiled core or in Python with equal results."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from finest.recipe import native
from finest.recipe.quality_model.fasttext import FasttextTable
from finest.recipe.quality_model.format import LinearHead, read_model
from finest.recipe.quality_model.linear import LinearTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from finest.recipe.native._core import QualityTables
    from finest.recipe.quality_model.format import ModelFile
    from finest.recipe.quality_model.term import Term


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
    """`linear`, or `fasttext` for an imported fastText model."""
    classes: tuple[str, ...]
    """The classes of a class model; empty for a score model."""
    sha256: str
    bias: tuple[int, ...]
    edges: tuple[int, ...]
    table: LinearTable | FasttextTable
    _joined: dict[tuple[QualityModel, ...], QualityTables] = field(default_factory=dict, repr=False)
    """This model and others after it, as the compiled core reads them; kept here to go when the model goes."""

    @staticmethod
    def load(path: Path, sha256: str | None = None) -> QualityModel:
        """Load a model's file; raise ModelError if it is invalid or its sha256 differs from `sha256`."""
        return QualityModel.of(read_model(path, sha256))

    @staticmethod
    def of(file: ModelFile) -> QualityModel:
        """Return the model of a file that has been read."""
        head, tensors = file.head, file.tensors
        edges = tuple(tensors["edges"].tolist()) if "edges" in tensors else ()
        table: LinearTable | FasttextTable
        if isinstance(head, LinearHead):
            table = LinearTable(tensors["weights"])
        else:
            table = FasttextTable(
                tensors["keys"], tensors["words"], tensors["buckets"], head.word_ngrams, head.minn, head.maxn
            )
        bias = tuple(tensors["bias"].tolist())
        return QualityModel(head.name, head.kind, head.classes, file.sha256, bias, edges, table)

    @property
    def bits(self) -> int:
        """The number of bits that name a weight of a linear model; 0 for another kind."""
        return self.table.bits if isinstance(self.table, LinearTable) else 0

    @property
    def weights(self) -> NDArray[np.int16]:
        """The weights of a linear model, shape (1, 2^bits), or (classes, 2^bits)."""
        assert isinstance(self.table, LinearTable)
        return self.table.weights

    def score(self, text: str | bytes) -> Score:
        """Return the score of a text; raise UnicodeEncodeError for a lone surrogate."""
        return score_all((self,), text)[0]

    def scored(self, sums: tuple[int, ...]) -> Score:
        """Return the score for the rows' sums without bias."""
        if not self.classes:
            only = sums[0] + self.bias[0]
            return Score(only, bisect_right(self.edges, only), "")
        raw = self._raw(sums)
        second, best = sorted(raw)[-2:]
        return Score(best - second, 0, self.classes[raw.index(best)])

    def terms(self, text: str) -> list[Term]:
        """Return what each n-gram of a text adds to its raw score, the largest first; it is computed in Python."""
        data = text.encode()
        best, second = _best_two(self._raw(self.table.sums(data))) if self.classes else (0, None)
        return sorted(self.table.terms(data, best, second), key=lambda term: (-term.raw, term.start, term.end))

    def _raw(self, sums: tuple[int, ...]) -> list[int]:
        return [total + bias for total, bias in zip(sums, self.bias, strict=True)]


def score_all(models: Sequence[QualityModel], text: str | bytes) -> tuple[Score, ...]:
    """Return the score of a text by each model; the core reads the text once for all linear ones."""
    core = native.core()
    if core is not None and models:
        sums = core.quality_sums(_joined(*models), text)
    else:
        sums = tuple(model.table.sums(text) for model in models)
    return tuple(model.scored(found) for model, found in zip(models, sums, strict=True))


def _joined(first: QualityModel, *others: QualityModel) -> QualityTables:
    """Return models as the compiled core reads them, prepared once."""
    found = first._joined.get(others)
    if found is None:
        core = native.core()
        assert core is not None
        found = core.quality_join(tuple(model.table.opened(core) for model in (first, *others)))
        first._joined[others] = found
    return found


def _best_two(raw: Sequence[int]) -> tuple[int, int]:
    """Return the places of the two largest; of equals the first."""
    best, second, *_ = sorted(range(len(raw)), key=lambda place: (-raw[place], place))
    return best, second
