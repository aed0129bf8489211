"""Evaluate integer scores against labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finest.errors import UsageError
from finest.models import metrics
from finest.models.labels import Label, positive_from, task_of
from finest.models.metrics import Resamples, rounded
from finest.models.record import CalibrationBin, ClassFigures, Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finest.models.record import Task

BINS = 20


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels of evaluated documents, as numbers."""

    task: Task
    targets: NDArray[Any]
    """Class numbers; 0 and 1; or grades."""
    classes: tuple[str, ...] = ()
    positive_from: float | None = None

    @property
    def positive(self) -> NDArray[np.bool_]:
        assert self.positive_from is not None
        return self.targets >= self.positive_from


def truth_of(labels: Sequence[Label], classes: tuple[str, ...] = ()) -> Truth:
    """Return the labels as numbers; `classes` are those of the model, or by default the names that occur, sorted.

    Raises UsageError if the labels are not of one kind, or all equal.
    """
    distinct = set(labels)
    task = task_of(distinct)
    if task == "classes":
        names = classes or tuple(sorted(str(label) for label in distinct))
        numbers = {name: number for number, name in enumerate(names)}
        if unknown := sorted(distinct - numbers.keys(), key=str):
            raise UsageError(f"the label {unknown[0]} is none of the model's classes: {', '.join(names)}")
        return Truth(task, np.array([numbers[str(label)] for label in labels], np.int64), names)
    kind = np.int64 if task == "binary" else np.float64
    return Truth(task, np.array(labels, dtype=np.float64).astype(kind), positive_from=positive_from(task, distinct))


def edges_of(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the 19 scores that divide these scores into 20 bins of equal size, up to ties."""
    ordered = np.sort(scores)
    return ordered[[len(ordered) * part // BINS for part in range(1, BINS)]]


def bins_of(scores: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bin of each score: the number of edges that are at most the score."""
    return np.searchsorted(edges, scores, side="right")


def score_figures(
    truth: Truth, scores: NDArray[np.int64], groups: Sequence[str], edges: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the fields of `Measures` for the scores of a score model."""
    draws, positive = Resamples(groups), truth.positive
    bins = bins_of(scores, edges)
    found = draws.intervals(metrics.precision_and_recall(bins, positive, BINS))
    thresholds = tuple(
        Threshold(min_bin=bin, kept=rounded((bins >= bin).mean()), precision=precision, recall=recall)
        for bin, precision, recall in zip(range(1, BINS), found[: BINS - 1], found[BINS - 1 :], strict=True)
        if recall is not None
    )
    return {
        "task": truth.task, "documents": len(scores), "groups": draws.groups, "positives": int(positive.sum()),
        "positive_from": truth.positive_from, "auc": draws.interval(metrics.auc(scores, positive)),
        "spearman": draws.interval(metrics.spearman(scores, truth.targets)) if truth.task == "grades" else None,
        "thresholds": thresholds,
    }  # fmt: skip


def class_figures(truth: Truth, best: NDArray[np.int64], groups: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `Measures` for a class model; `best` is the number of each document's best class."""
    draws = Resamples(groups)
    classes = []
    for number, name in enumerate(truth.classes):
        found, true = best == number, truth.targets == number
        interval = draws.interval(metrics.f1(best, truth.targets, number))
        if interval is not None:
            both = (found & true).sum()
            classes.append(
                ClassFigures(
                    name=name,
                    documents=int(true.sum()),
                    f1=interval,
                    precision=rounded(both / max(found.sum(), 1)),
                    recall=rounded(both / max(true.sum(), 1)),
                ),
            )
    return {
        "task": truth.task, "documents": len(best), "groups": draws.groups, "classes": tuple(classes),
        "accuracy": draws.interval(metrics.accuracy(best == truth.targets)),
        "macro_f1": draws.interval(metrics.macro_f1(best, truth.targets, len(truth.classes))),
    }  # fmt: skip


def margins(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the best class's score minus the second best's, for each row."""
    ordered = np.sort(scores, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def calibration(
    scores: NDArray[np.int64], edges: NDArray[np.int64], right: NDArray[np.bool_], grades: NDArray[Any] | None
) -> tuple[CalibrationBin, ...]:
    """Return for each bin how many texts it holds, and the share of them that is positive or right."""
    bins = bins_of(scores, edges)
    starts = [None, *(int(edge) for edge in edges)]
    found = []
    for number, start in enumerate(starts):
        inside = bins == number
        any_inside = bool(inside.any())
        mean = rounded(grades[inside].mean()) if grades is not None and any_inside else None
        found.append(
            CalibrationBin(
                bin=number,
                min_raw=start,
                documents=int(inside.sum()),
                share=rounded(right[inside].mean()) if any_inside else None,
                mean_grade=mean,
            )
        )
    return tuple(found)
