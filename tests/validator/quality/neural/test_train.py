"""The training loop and the costs: repeatable, causal, and as many steps as tokens."""

from __future__ import annotations

import numpy as np
import pytest

from finest.validator.quality.heldout import anchors
from finest.validator.quality.pieces import PIECE_TOKENS, pool_of
from tests.deep import sampled
from tests.late import late_module

torch = late_module("torch")
loop, checkpoint, continued, llama = (
    late_module(f"finest.validator.quality.neural.{name}") for name in ("train", "checkpoint", "continued", "llama")
)
TEXTS = anchors()


def small(seed: int = 1) -> llama.Llama:
    """Random weights, small enough to be trained at once."""
    model = llama.Llama(llama.Shape(width=32, layers=1, heads=2, inner=64))
    model.start(seed)
    return model


def costs_after(texts: list[str], heldout: list[str]) -> np.ndarray:
    model = small()
    with continued.repeatable():
        loop.train(model, pool_of(texts).grams, continued.rates)
        return loop.nats(model, pool_of(heldout))


def test_equal_texts_give_equal_figures() -> None:
    """Twice the same on a CPU, to the last bit."""
    assert (costs_after(TEXTS[:2], TEXTS[8:9]) == costs_after(TEXTS[:2], TEXTS[8:9])).all()


def test_what_was_learned_costs_less() -> None:
    """A text is cheaper after training on it, and not before."""
    assert costs_after(TEXTS[:8], TEXTS[:1]).mean() < loop.nats(small(), pool_of(TEXTS[:1])).mean()


def test_the_checkpoint_knows_english_and_not_the_anchors() -> None:
    """Held-out prose costs far less than its words in another order, and nobody knows it by heart."""
    model = checkpoint.seed_model()
    prose = loop.nats(model, pool_of(TEXTS[::8])).mean()
    words = loop.nats(model, pool_of([" ".join(sorted(text.split())) for text in TEXTS[::8]])).mean()
    assert 3 < prose < words - 0.5


@pytest.mark.nightly
def test_bfloat16_learns_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a GPU's precision, tried on the CPU: weights move from step to step, and figures stay near."""
    exact = costs_after(TEXTS[:40], TEXTS[40:44]).mean()
    before = loop.nats(small(), pool_of(TEXTS[40:44])).mean()
    half = "cpu", torch.bfloat16
    monkeypatch.setattr("finest.validator.quality.neural.train._precision", lambda _tokens: torch.autocast(*half))
    rough = costs_after(TEXTS[:40], TEXTS[40:44]).mean()
    assert rough == pytest.approx(exact, abs=0.1 * (before - exact))


def test_no_piece_reads_another() -> None:
    """A piece costs what it costs, whatever stands beside it in the batch."""
    together = loop.nats(small(), pool_of(TEXTS[:3]))
    alone = np.concatenate([loop.nats(small(), pool_of([text])) for text in TEXTS[:3]])
    assert together == pytest.approx(alone, abs=1e-4)


def test_no_token_reads_those_after_it() -> None:
    """The beginning of a text costs the same with another end."""
    pool = pool_of(TEXTS[:1])
    other = pool_of([TEXTS[0][:600] + TEXTS[1]])
    same = int((pool.grams[:PIECE_TOKENS] == other.grams[:PIECE_TOKENS]).argmin())
    assert same > 50
    one, two = loop.nats(small(), pool)[:PIECE_TOKENS], loop.nats(small(), other)[:PIECE_TOKENS]
    assert one[:same] == pytest.approx(two[:same], abs=1e-4)
    assert one[same + 1 :] != pytest.approx(two[same + 1 :], abs=1e-2)


@pytest.mark.parametrize("length", sampled([400, 40, 4000]))
def test_as_many_tokens_are_as_many_steps(length: int) -> None:
    """Rows cut short gain no steps."""
    text = " ".join(TEXTS)
    pool = pool_of([text[at : at + length] for at in range(0, 120_000, length)])
    asked: list[int] = []

    def told(steps: int) -> list[float]:
        asked.append(steps)
        return continued.rates(steps)

    loop.train(small(), pool.grams[: 2 * loop.BATCH * PIECE_TOKENS], told)
    assert asked == [2]


@pytest.mark.parametrize("tokens", [1, 100, 300])
def test_hardly_any_text_is_one_step(tokens: int) -> None:
    """A submission of one row is trained on as well."""
    before, model = small(), small()
    loop.train(model, pool_of(TEXTS).grams[:tokens], continued.rates)
    pairs = zip(before.parameters(), model.parameters(), strict=True)
    assert not all((one == other).all() for one, other in pairs)
