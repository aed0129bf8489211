"""Drawing training text: equal budgets, what is in both sets drawn in both."""

from __future__ import annotations

import numpy as np

from finest.validator.quality.heldout import anchors
from finest.validator.quality.pieces import PIECE_TOKENS, pool_of
from finest.validator.quality.tokens import ids


def test_a_pool_holds_every_token_once() -> None:
    """Each token is the last of one n-gram; all of them are drawn where all are wanted."""
    texts = ["", *anchors()[:4]]
    pool = pool_of(texts)
    assert pool.tokens == pool.lengths.sum() == sum(len(ids(text)) for text in texts)
    assert (pool.draw(pool.tokens, 1) == pool.grams).all()
    assert pool_of([]).draw(10, 1).tolist() == []


def test_a_draw_has_the_budget_less_a_piece_at_most() -> None:
    """Never more than the budget, never a whole piece less."""
    pool = pool_of(anchors())
    for seed in range(20):
        assert 9_000 - PIECE_TOKENS < len(pool.draw(9_000, seed)) <= 9_000


def test_the_order_of_texts_does_not_matter() -> None:
    """The same n-grams are drawn whatever the order."""
    texts = anchors()
    one, other = (np.sort(pool_of(order).draw(9_000, 3)) for order in (texts, texts[::-1]))
    assert (one == other).all()


def test_a_text_that_is_there_twice_is_drawn_twice() -> None:
    """Copies are drawn together, so repetition shows in full."""
    texts = anchors()
    once, twice = pool_of(texts), pool_of(texts * 2)
    drawn, counts = np.unique(twice.draw(2 * len(once.draw(5_000, 9)), 9), return_counts=True)
    assert (np.repeat(drawn, counts // 2) == np.sort(once.draw(5_000, 9))).all()
    assert (counts % 2 == 0).all()


def test_sets_that_share_most_texts_share_most_of_the_draw() -> None:
    """Two sets differ by what they differ in: a tenth of other texts changes about a tenth of the draw."""
    texts = anchors()
    one, other = pool_of(texts[:45]), pool_of([*texts[:40], *texts[45:]])
    budget = min(one.tokens, other.tokens) // 2
    common = np.isin(one.draw(budget, 5), other.draw(budget, 5)).mean()
    assert common > 0.6
    assert np.isin(one.draw(budget, 5), other.draw(budget, 6)).mean() < common
