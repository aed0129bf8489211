"""Figures of an evaluation: equal to their definitions and to scikit-learn's, and intervals that resample groups."""

from __future__ import annotations

import numpy as np
import pytest

from finest.errors import UsageError
from finest.models import metrics
from finest.models.evaluation import bins_of, edges_of
from finest.models.folds import FOLDS, folds_of
from finest.models.labels import parse_label, positive_from, task_of

# Drawn once; each test reads the same scores.
DRAW = np.random.Generator(np.random.PCG64(2))
SCORES = DRAW.integers(-50, 50, 400)
TRUTH = SCORES + DRAW.normal(0, 40, 400) > 0
ONES = np.ones(400)


def test_auc_is_a_share_of_pairs() -> None:
    """A pair counts as often as both of its documents were drawn; a tie counts half."""
    weights = DRAW.integers(0, 4, 400).astype(float)
    pairs = weights[TRUTH][:, None] * weights[~TRUTH]
    above = SCORES[TRUTH][:, None] - SCORES[~TRUTH]
    expected = (pairs * ((above > 0) + (above == 0) / 2)).sum() / pairs.sum()
    assert metrics.auc(SCORES, TRUTH)(weights) == pytest.approx(expected)


def test_f1_by_counting() -> None:
    truth, found = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    assert metrics.f1(found, truth, 1)(np.ones(6)) == pytest.approx(4 / 5)
    assert metrics.macro_f1(found, truth, 4)(np.ones(6)) == pytest.approx((2 / 4 + 4 / 5 + 2 / 3) / 3)


@pytest.mark.nightly
def test_auc_is_scikit_learns() -> None:
    """With ties, and with a document's weight."""
    sklearn = pytest.importorskip("sklearn.metrics")
    assert metrics.auc(SCORES, TRUTH)(ONES) == pytest.approx(sklearn.roc_auc_score(TRUTH, SCORES))
    weights = DRAW.integers(0, 4, 400).astype(float)
    expected = sklearn.roc_auc_score(TRUTH, SCORES, sample_weight=weights)
    assert metrics.auc(SCORES, TRUTH)(weights) == pytest.approx(expected)


def test_spearman_is_the_correlation_of_ranks() -> None:
    """Equal values share their mean rank."""
    grades = (SCORES + DRAW.normal(0, 30, 400)).clip(0, 99) // 20
    ranks = [(one[:, None] > one).sum(1) + (one[:, None] == one).sum(1) / 2 for one in (SCORES, grades)]
    assert metrics.spearman(SCORES, grades)(ONES) == pytest.approx(np.corrcoef(*ranks)[0, 1])


@pytest.mark.nightly
def test_f1_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    truth = DRAW.integers(0, 4, 400)
    found = np.where(DRAW.random(400) < 0.6, truth, DRAW.integers(0, 4, 400))
    assert metrics.macro_f1(found, truth, 4)(ONES) == pytest.approx(sklearn.f1_score(truth, found, average="macro"))


def test_precision_and_recall_of_each_bin() -> None:
    edges = edges_of(SCORES)
    bins = bins_of(SCORES, edges)
    found = metrics.precision_and_recall(bins, TRUTH, 20)(ONES)
    for bin in range(1, 20):
        kept = bins >= bin
        assert found[bin - 1] == pytest.approx(TRUTH[kept].mean())
        assert found[19 + bin - 1] == pytest.approx((kept & TRUTH).sum() / TRUTH.sum())


def test_an_undefined_figure_is_none() -> None:
    """AUC needs positive and negative texts."""
    draws = metrics.Resamples(["a", "b"] * 200)
    assert draws.interval(metrics.auc(SCORES, np.ones(400, bool))) is None


def test_intervals_resample_groups() -> None:
    """Copies of a site's pages make an interval no narrower: a few large sites say less than many small ones."""
    many = metrics.Resamples([str(at) for at in range(400)]).interval(metrics.auc(SCORES, TRUTH))
    few = metrics.Resamples([str(at % 8) for at in range(400)])
    assert few.groups == 8
    thrice = [np.tile(part, 3) for part in (SCORES, TRUTH)]
    copied = metrics.Resamples([str(at % 400) for at in range(1200)]).interval(metrics.auc(thrice[0], thrice[1]))
    assert many is not None and copied is not None
    assert copied.high - copied.low == pytest.approx(many.high - many.low, abs=0.01)


def test_folds_divide_no_group_and_hold_every_label() -> None:
    groups = [f"h{at % 37}" for at in range(500)]
    strata = [str(int(at % 5 == 0)) for at in range(500)]
    folds = folds_of(groups, strata)
    assert all(len({int(folds[at]) for at in range(500) if groups[at] == group}) == 1 for group in set(groups))
    for fold in range(FOLDS):
        assert {strata[at] for at in np.flatnonzero(folds == fold)} == {"0", "1"}
        assert 60 <= (folds == fold).sum() <= 140


def test_too_few_groups() -> None:
    with pytest.raises(UsageError, match="labelled 1 come from 4 hosts or groups"):
        folds_of(["a", "b", "c", "d", *"efghij"], [*"1111", *"000000"])


@pytest.mark.parametrize(
    ("value", "label"), [(True, 1.0), (3, 3.0), ("2.5", 2.5), (" Forum ", "forum"), ("how-to 2", "how-to 2")]
)
def test_a_label_is_a_number_or_a_name(value: object, label: object) -> None:
    assert parse_label(value) == label


@pytest.mark.parametrize("value", [None, "", "  ", -1, 5.01, float("nan"), "nan", "99", [1], "x" * 41, "a\nb"])
def test_other_labels_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="the label"):
        parse_label(value)


def test_kinds_of_labels() -> None:
    assert task_of({0.0, 1.0}) == "binary" and positive_from("binary", [0.0, 1.0]) == 0.5
    assert task_of({0.0, 1.0, 2.0}) == "grades" and positive_from("grades", [0.0, 5.0]) == 2.5
    assert task_of({"a", "b"}) == "classes" and positive_from("classes", ["a"]) is None
