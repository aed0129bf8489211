"""Drawing training text: equal budgets, what is in both sets drawn in both."""

from __future__ import annotations

import numpy as np

from finest.validator.quality.heldout import anchors
from finest.validator.quality.pieces import PIECE_TOKENS, Pieces, pool_of
from finest.validator.quality.tokens import ids


def test_a_pool_holds_every_token_once() -> None:
    """Each token is the last of one n-gram; all of them are drawn where all are wanted."""
    texts = ["", *anchors()[:4]]
    pool = pool_of(texts)
    assert pool.tokens == pool.lengths.sum() == sum(len(ids(text)) for text in texts)
    drawn = pool.draw(pool.tokens, 1)
    assert (np.sort(drawn.grams) == np.sort(pool.grams)).all()
    assert drawn.lengths.sum() == pool.tokens
    assert pool_of([]).draw(10, 1).tokens == 0


def test_a_draw_has_the_budget_less_a_piece_at_most() -> None:
    """Never more than the budget, never a whole piece less."""
    pool = pool_of(anchors())
    for seed in range(20):
        assert 9_000 - PIECE_TOKENS < pool.draw(9_000, seed).tokens <= 9_000


def test_the_order_of_texts_does_not_matter() -> None:
    """The same pieces are drawn, in the same order, whatever the order of the texts."""
    texts = anchors()
    one, other = (pool_of(order).draw(9_000, 3).grams for order in (texts, texts[::-1]))
    assert (one == other).all()


def test_a_text_that_is_there_twice_is_drawn_twice() -> None:
    """Copies are drawn together, so repetition shows in full."""
    texts = anchors()
    once, twice = pool_of(texts), pool_of(texts * 2)
    drawn, counts = np.unique(twice.draw(2 * once.draw(5_000, 9).tokens, 9).grams, return_counts=True)
    assert (np.repeat(drawn, counts // 2) == np.sort(once.draw(5_000, 9).grams)).all()
    assert (counts % 2 == 0).all()


def test_sets_that_share_most_texts_share_most_of_the_draw() -> None:
    """Two sets differ by what they differ in: a tenth of other texts changes about a tenth of the draw."""
    texts = anchors()
    one, other = pool_of(texts[:45]), pool_of([*texts[:40], *texts[45:]])
    budget = min(one.tokens, other.tokens) // 2
    common = np.isin(one.draw(budget, 5).grams, other.draw(budget, 5).grams).mean()
    assert common > 0.6
    assert np.isin(one.draw(budget, 5).grams, other.draw(budget, 6).grams).mean() < common


def test_pieces_come_whole_and_in_the_draw_s_order() -> None:
    """What is drawn are pieces of the pool, each once, and another seed has another order."""
    pool = pool_of(anchors())

    def cut(pieces: Pieces) -> list[bytes]:
        return [each.tobytes() for each in np.split(pieces.grams, np.cumsum(pieces.lengths)[:-1])]

    drawn, other = cut(pool.draw(9_000, 1)), cut(pool.draw(9_000, 2))
    assert set(drawn) <= set(cut(pool))
    assert len(set(drawn)) == len(drawn)
    common = set(drawn) & set(other)
    assert [each for each in drawn if each in common] != [each for each in other if each in common]
