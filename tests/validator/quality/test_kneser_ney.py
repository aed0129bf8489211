"""The language model: a probability distribution, equal to the formula written out."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import isclose

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.validator.quality.kneser_ney import MAX_DISCOUNT, MIN_DISCOUNT, ORDER, fit, grams
from finest.validator.quality.tokens import VOCABULARY

TEXTS = st.lists(st.integers(1, 6), min_size=1, max_size=60)


def slow(training: list[int], wanted: list[int]) -> list[float]:
    """Interpolated Kneser-Ney as the books write it, with dictionaries."""
    start = [0] * (ORDER - 1)
    counts: dict[int, Counter[tuple[int, ...]]] = {ORDER: Counter()}
    padded = [*start, *training]
    for at in range(len(training)):
        counts[ORDER][tuple(padded[at : at + ORDER])] += 1
    for order in range(ORDER - 1, 0, -1):
        counts[order] = Counter(gram[1:] for gram in counts[order + 1])
    found, padded = [], [*start, *wanted]
    for at in range(len(wanted)):
        probability = 1 / VOCABULARY
        for order in range(1, ORDER + 1):
            probability = _mixed(counts[order], tuple(padded[at + ORDER - order : at + ORDER]), probability)
        found.append(probability)
    return found


def _mixed(counts: Counter[tuple[int, ...]], gram: tuple[int, ...], lower: float) -> float:
    by_context: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for known, count in counts.items():
        by_context[known[:-1]].append(count)
    after = by_context.get(gram[:-1])
    if not after:
        return lower
    kinds = Counter(counts.values())
    discount = min(max(kinds[1] / max(1, kinds[1] + 2 * kinds[2]), MIN_DISCOUNT), MAX_DISCOUNT)
    held = max(counts[gram] - discount, 0) if gram in counts else 0.0
    return (held + discount * len(after) * lower) / sum(after)


@given(TEXTS, TEXTS)
@settings(max_examples=60)
def test_it_is_the_formula(training: list[int], wanted: list[int]) -> None:
    """Arrays and dictionaries give the same probabilities."""
    model = fit(grams(np.array(training, np.uint16)))
    fast = np.exp(model.log_probabilities(grams(np.array(wanted, np.uint16))))
    assert all(isclose(a, b, rel_tol=1e-12) for a, b in zip(fast, slow(training, wanted), strict=True))


@given(TEXTS, st.lists(st.integers(0, VOCABULARY - 1), min_size=4, max_size=4))
@settings(max_examples=30)
def test_probabilities_sum_to_one(training: list[int], context: list[int]) -> None:
    """After any four tokens, seen or not, some token comes."""
    start = np.uint64(sum(token << 12 * (4 - at) for at, token in enumerate(context)))
    every = start + np.arange(VOCABULARY, dtype=np.uint64)
    total = np.exp(fit(grams(np.array(training, np.uint16))).log_probabilities(every)).sum()
    assert total == pytest.approx(1, abs=1e-9)


def test_the_order_of_the_training_text_does_not_matter() -> None:
    """N-grams in any order give the same model, to the last bit."""
    rng = np.random.default_rng(1)
    seen = grams(rng.integers(1, VOCABULARY, 5000).astype(np.uint16))
    wanted = grams(rng.integers(1, VOCABULARY, 500).astype(np.uint16))
    assert (fit(seen).log_probabilities(wanted) == fit(seen[::-1].copy()).log_probabilities(wanted)).all()


def test_no_document_reads_another() -> None:
    """The first token of a document follows the token that stands before all of them."""
    assert grams(np.array([7, 8], np.uint16)).tolist() == [7, 7 << 12 | 8]
    assert grams(np.zeros(0, np.uint16)).tolist() == []
