"""Figures of an evaluation, with weights for documents, so that a bootstrap over groups need not copy anything.

Each figure is computed from integer scores. `Resamples` holds one weight per document and resample: how often the
document's group was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from finest.models.record import Interval

RESAMPLES = 200
"""Resamples behind an interval; the ends of a 95 % interval then have a standard error of a fifth of its half width."""
SEED = 20_240_601
DIGITS = 4
"""Decimals of a stated figure."""
Weights = NDArray[np.float64]
Figure = Callable[[Weights], "float | NDArray[np.float64]"]
"""Computes one figure, or an array of them, from one weight per document; NaN where undefined for these weights."""


class Resamples:
    """Draws of groups with replacement, the same for equal groups."""

    def __init__(self, groups: Sequence[str], count: int = RESAMPLES) -> None:
        names, self._group_of = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
        self.groups = len(names)
        draws = np.random.Generator(np.random.PCG64(SEED))
        even = np.full(self.groups, 1 / self.groups)
        self._draws = [draws.multinomial(self.groups, even).astype(np.int32) for _ in range(count)]

    def interval(self, figure: Figure) -> Interval | None:
        """Return a figure with its 95 % interval (percentiles of the resamples); None if it is undefined."""
        return self.intervals(figure)[0]

    def intervals(self, figure: Figure) -> list[Interval | None]:
        """Return each figure of an array with its 95 % interval."""
        values = np.atleast_1d(figure(np.ones(len(self._group_of))))
        drawn = (np.atleast_1d(figure(draw[self._group_of].astype(float))) for draw in self._draws)
        table = np.stack([values, *drawn])
        return [_interval(column) for column in table.T]


def _interval(values: NDArray[np.float64]) -> Interval | None:
    """Return the first value with the percentiles of all."""
    if np.isnan(values[0]):
        return None
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(value=rounded(values[0]), low=rounded(low), high=rounded(high))


def rounded(value: float) -> float:
    return round(float(value), DIGITS)


def auc(scores: NDArray[np.int64], positive: NDArray[np.bool_]) -> Figure:
    """Area under the ROC curve: the chance that a positive text scores above a negative one; ties count half."""
    order, starts = _tied(scores)
    ours = positive[order]

    def figure(weights: Weights) -> float:
        weight = weights[order]
        good = np.add.reduceat(weight * ours, starts)
        bad = np.add.reduceat(weight * ~ours, starts)
        pairs = good.sum() * bad.sum()
        below = np.cumsum(bad) - bad
        return float((good * (below + bad / 2)).sum() / pairs) if pairs else float("nan")

    return figure


def spearman(scores: NDArray[np.int64], grades: NDArray[np.float64]) -> Figure:
    """Rank correlation of scores and grades; ties share their mean rank."""
    ranks = _ranker(scores), _ranker(grades)

    def figure(weights: Weights) -> float:
        x, y = (rank(weights) for rank in ranks)
        total = weights.sum()
        x, y = x - (weights * x).sum() / total, y - (weights * y).sum() / total
        spread = (weights * x * x).sum() * (weights * y * y).sum()
        return float((weights * x * y).sum() / spread**0.5) if spread > 0 else float("nan")

    return figure


def _ranker(values: NDArray[np.generic]) -> Callable[[Weights], NDArray[np.float64]]:
    order, starts = _tied(values)
    sizes = np.diff([*starts, len(order)])

    def ranks(weights: Weights) -> NDArray[np.float64]:
        together = np.add.reduceat(weights[order], starts)
        found = np.empty(len(order))
        found[order] = np.repeat(np.cumsum(together) - together / 2, sizes)
        return found

    return ranks


def _tied(values: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ascending order of the values, and where each run of equal values begins in it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return order, np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def precision_and_recall(bins: NDArray[np.int64], positive: NDArray[np.bool_], count: int) -> Figure:
    """Precision and recall if texts of at least bin 1, 2, ... `count` - 1 are kept: first all precisions."""

    def figure(weights: Weights) -> NDArray[np.float64]:
        kept = _from_each_bin(bins, weights, count)
        right = _from_each_bin(bins, weights * positive, count)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.concatenate([right[1:] / kept[1:], right[1:] / right[0]])

    return figure


def _from_each_bin(bins: NDArray[np.int64], weights: Weights, count: int) -> NDArray[np.float64]:
    return np.cumsum(np.bincount(bins, weights.astype(np.float64), count)[::-1])[::-1].astype(np.float64)


def accuracy(right: NDArray[np.bool_]) -> Figure:
    return lambda weights: _share((weights * right).sum(), weights.sum())


def f1(found: NDArray[np.int64], truth: NDArray[np.int64], number: int) -> Figure:
    """Harmonic mean of one class's precision and recall; NaN if the class occurs in neither."""

    def figure(weights: Weights) -> float:
        both = (weights * ((found == number) & (truth == number))).sum()
        return _share(2 * both, (weights * (found == number)).sum() + (weights * (truth == number)).sum())

    return figure


def macro_f1(found: NDArray[np.int64], truth: NDArray[np.int64], classes: int) -> Figure:
    """Mean F1 of the classes that occur."""
    figures = [f1(found, truth, number) for number in range(classes)]
    return lambda weights: float(np.nanmean([figure(weights) for figure in figures]))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
