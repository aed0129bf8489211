"""Who wins and what is paid, decided by the product's code on rounds with the noise that was measured on real pages."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from bench.contest import (
    BURN,
    ROUND_BLOCKS,
    TRACK,
    Noise,
    Player,
    Season,
    copies,
    equal,
    measured_noise,
    planted,
    simulated,
    split,
)

from finest.contest.decision import (
    HALF_LIFE_BLOCKS,
    LEAST_MARGIN_BPB,
    MARGIN_BPB,
    decide,
    margin_at,
    next_variance,
    z_of,
)
from finest.contest.result import Result
from finest.contest.standing import FULL_BPB, PAID_BLOCKS, Standing, Win, advance, first_standing, weights
from finest.contest.tracks import TRACKS
from finest.errors import UsageError
from finest.recipe.recipe import SHIPPED, load_recipe
from tests.deep import examples

SEEDS = range(examples(2, 20))
GAIN, NOISE = 0.033, Noise(0.0093, 0.0026)
OWN = Noise(0.0044, 0.0014)
"""Of a recipe that differs in its texts alone: menus in three tenths of the lines."""
QUIET = Noise(0.0, 0.0001)


def notes(result: Result, standing: Standing | None = None) -> dict[str, str]:
    """What is said of each entry, by its place."""
    found = decide(result, standing or first_standing())[0]
    return {result.entries[place].entry.place: note for place, note in found.notes.items()}


def test_equal_recipes_hardly_ever_dethrone() -> None:
    """Eight fresh entries a week, with the noise that was measured in each track: less than one round in a hundred."""
    for share in (0.2, 0.6):
        counts = [equal(measured_noise(share=share), 8, examples(5, 50), seed) for seed in SEEDS]
        assert sum(dethroned for dethroned, _ in counts) < max(1, len(SEEDS) // 2), (share, counts)


def test_a_better_recipe_wins_within_three_rounds() -> None:
    """Among six equal ones, with the gain that text without menus has."""
    rounds = [planted(NOISE, GAIN, OWN, seed) for seed in SEEDS]
    assert all(number is not None and number <= 3 for number in rounds), rounds


def test_copies_earn_nothing() -> None:
    """Neither the winner's recipe again, nor one nearly like it, nor the incumbent with another comment."""
    paid: Counter[str] = sum((copies(NOISE, GAIN, OWN, seed) for seed in SEEDS), Counter())
    assert paid["planter"] > 0
    assert {hotkey for hotkey in paid if paid[hotkey] > 0} == {"planter", BURN}


def test_the_incumbent_with_another_comment_is_a_copy() -> None:
    """A name, a description or a comment is in no recipe hash; whoever is known for the recipe keeps it."""
    fineweb = load_recipe("fineweb")
    assert fineweb.model_copy(update={"name": "mine", "description": "better"}).hash == fineweb.hash
    assert all(first_standing().known[load_recipe(name).hash] == "" for name in SHIPPED)
    result = simulated(
        [Player("again", 0.1, "thief")], Player("fineweb", pages=1.0), 0, QUIET, np.random.default_rng(0)
    )
    known = first_standing().model_copy(update={"known": {result.entries[1].recipe_hash: "owner"}})
    assert notes(result, known)["again"] == "a copy: owner had this recipe before"


def test_the_earlier_commitment_wins_ties() -> None:
    """Two better recipes that cannot be told apart: the first; one that is surely better still: the better one."""
    incumbent = Player("fineweb", pages=1.0)
    first = Player("first", 0.05, "a", 1, pages=1.0, own=QUIET)
    second = Player("second", 0.05, "b", 2, pages=1.0, own=QUIET)
    best = Player("best", 0.2, "c", 3, pages=1.0, own=QUIET)
    for players, winner in (([second, first], "first"), ([first, second, best], "best")):
        result = simulated(players, incumbent, 0, QUIET, np.random.default_rng(1))
        decision = decide(result, first_standing())[0]
        assert decision.winner is not None
        assert decision.winner.entry.place == winner
    assert notes(result)["second"].endswith("not surely better than first, which came before")


@pytest.mark.nightly
def test_splitting_an_improvement_pays_less() -> None:
    """Each step must be certain by itself."""
    whole, *parts = (sum(split(NOISE, 0.06, OWN, seed, steps) for seed in SEEDS) for steps in (1, 2))
    assert whole > 0
    assert all(part < whole for part in parts), (whole, parts)


def test_the_margin_decays_to_its_least() -> None:
    """Half of what is above it in four weeks."""
    assert margin_at(-5) == margin_at(0) == MARGIN_BPB
    assert margin_at(HALF_LIFE_BLOCKS) == pytest.approx((MARGIN_BPB + LEAST_MARGIN_BPB) / 2)
    assert margin_at(100 * HALF_LIFE_BLOCKS) == pytest.approx(LEAST_MARGIN_BPB)


def test_more_entries_need_more_certainty() -> None:
    """So that a hundred tries together succeed by chance no more often than one."""
    assert 3.0 < z_of(1) < z_of(8) < z_of(100) < 4.5


def test_wild_entries_do_not_shield_the_incumbent() -> None:
    """Less than half of the entries change nothing much, and in a round the variance grows 2.5 times at most."""
    assert next_variance(1e-4, [1e-4, 1e-4, 1e-4, 9.0, 9.0], 3) == pytest.approx(1.2e-4, rel=0.05)
    assert next_variance(1e-4, [9.0], 3) == pytest.approx(2.5e-4)
    assert next_variance(1e-4, [], 3) == 1e-4


def test_pay_is_in_proportion_to_the_certain_gain() -> None:
    """What is not earned is burned; a larger gain than a full one is paid for longer; the shares add up to one."""
    half = Win(track=20, hotkey="a", block=100, certain_bpb=FULL_BPB / 2)
    double = Win(track=60, hotkey="b", block=100, certain_bpb=2 * FULL_BPB)
    standing = Standing(wins=(half, double))
    assert weights(standing, 99, BURN) == {BURN: 1.0}
    assert weights(standing, 100, BURN) == pytest.approx({"a": 1 / 6, "b": 1 / 3, BURN: 1 / 2})
    assert weights(standing, 100 + PAID_BLOCKS, BURN) == pytest.approx({"b": 1 / 3, BURN: 2 / 3})
    assert weights(standing, 100 + 2 * PAID_BLOCKS, BURN) == {BURN: 1.0}
    crowded = Standing(wins=(double, double.model_copy(update={"hotkey": "c"})))
    assert weights(crowded, 100, BURN) == pytest.approx({"b": 1 / 6, "c": 1 / 6, BURN: 2 / 3})


def test_the_winner_stands_and_the_others_try_again() -> None:
    """An entry takes part in three rounds; a winner is the next incumbent; a result counts once."""
    season = Season(QUIET, 0)
    players = [Player("better", 0.05, "a", 1, pages=1.0, own=QUIET), Player("equal", 0.0, "b", 2)]
    assert season.round(players) == "better"
    standing = season.standing
    assert standing.incumbents[TRACK].place == "better"
    assert [(rounds, entry.place) for rounds, entry in standing.entries] == [(2, "equal")]
    with pytest.raises(UsageError, match="decided before"):
        advance(standing, simulated(players, Player("x"), 1, QUIET, np.random.default_rng(0)), standing.results[0])
    assert standing.wins[0].block == ROUND_BLOCKS


def test_the_bands_of_the_tracks_do_not_meet() -> None:
    """A yield belongs to one track at most."""
    bands = [(track.least, track.most) for track in TRACKS.values()]
    assert all(one[1] < other[0] for one, other in pairwise(bands))
