"""The simulation of the subnet: a small month that shows each rule, and pictures that are well-formed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from random import Random
from typing import Any

import pytest
from bench.subnet import earlier
from bench.subnet.chain import Seats
from bench.subnet.charts import bars, lines
from bench.subnet.collusion import collude
from bench.subnet.cost import cost
from bench.subnet.griefers import Crawl
from bench.subnet.miners import miners_of
from bench.subnet.outcomes import COPIED, EMPTY, GARBAGE, HONEST, Delivery, audit
from bench.subnet.report import compared, per_work, pictures, summary, table
from bench.subnet.run import HONEST_WORK, Result, simulate
from bench.subnet.sampling import MONTHS, SIZES, weight_of
from bench.subnet.settings import FULL, SETTINGS, SHORT, SMALL

from finest.validator.score import score
from tests.deep import sampled


@pytest.fixture(scope="module")
def month() -> Result:
    """One small month."""
    return simulate(SMALL, 1)


@pytest.fixture(scope="module")
def found(month: Result) -> dict[str, Any]:
    return summary(SMALL, [month])


def test_no_work_no_pay(month: Result) -> None:
    """Miners who burn WARCs, copy, or hide empty tasks behind a little work get next to nothing."""
    paid = {who: month.pay.get(who, 0.0) for who in ("griefer", "copier", "empty tasks")}
    assert all(share < 0.01 for share in paid.values()), paid
    assert month.pay["honest small"] + month.pay["honest large"] > 0.5


def test_the_earlier_rules_paid_empty_tasks(found: dict[str, Any]) -> None:
    """By the earlier rules empty tasks earn many times what honest work earns; by these, less than it."""
    empty = found["strategies"]["empty tasks"]
    assert empty["earlier_pay_per_work"]["mean"] > 5
    assert empty["pay_per_work"]["mean"] < 1


def test_colluders_and_the_lazy_earn_less(found: dict[str, Any]) -> None:
    """A fifth of the stake for friends who do no work earns nearly nothing; honest validators earn most."""
    dividends = {kind: one["dividends_per_stake"]["mean"] for kind, one in found["validators"].items()}
    assert dividends["colluding"] < 0.1
    assert dividends["honest"] == max(dividends.values())


def test_a_month_is_the_same_to_the_last_digit(month: Result) -> None:
    """Faster code of the queue, the store or the weights changes nothing; who changes a rule writes these anew."""
    assert month.pay["honest small"] == pytest.approx(0.3485014861824359, abs=1e-15)
    assert month.dividends["copier"] == pytest.approx(0.09313257096402022, abs=1e-15)
    assert (month.coverage[0], month.verdicts["honest"]) == (pytest.approx(0.6774193548387096), 61)
    assert month.hours_to_verdict == pytest.approx([0.7866666666666666, 2.69, 6.86])


def test_miners_of_one_strategy_do_not_change_in_step() -> None:
    """Those with tasks of mixed sizes begin with all four of them."""
    sizes = [miner.job(Random(1)).warcs for miner in miners_of(FULL, Random(1)) if miner.strategy == "mixed sizes"]
    assert set(sizes) == {1, 2, 8, 16}


@pytest.mark.nightly
def test_the_same_seed_gives_the_same_month(month: Result) -> None:
    """So figures can be repeated."""
    assert simulate(SMALL, 1) == month


@pytest.mark.parametrize(
    ("delivery", "verdict"),
    [(HONEST, "pass"), (EMPTY, "fail"), (GARBAGE, "fail"), (COPIED, "fail"), (Delivery(recall=0.6), "pass")],
)
def test_audits_find_what_was_measured(delivery: Delivery, verdict: str) -> None:
    """At the rates of bench/results/attacks.json, with the product's score."""
    outcomes = [audit(delivery, 4, 100, 1800, Random(seed)) for seed in range(20)]
    assert {one.verdict for one in outcomes} == {verdict}
    if delivery == HONEST:
        assert score(outcomes[0].measured).total == pytest.approx(0.9, abs=0.01)


def test_the_full_setting_has_256_neurons() -> None:
    """64 of them validators, with a fifth of the stake colluding; half as many where there are two mechanisms."""
    assert (SETTINGS["half"].neurons, sum(SETTINGS["half"].validators.values())) == (128, 32)
    seats = Seats.make(FULL, [miner.hotkey for miner in miners_of(FULL, Random(1))], Random(1))
    assert (FULL.neurons, len(seats.kinds)) == (256, 64)
    colluding = sum(stake for kind, stake in zip(seats.kinds, seats.stakes, strict=True) if kind == "colluding")
    assert colluding / sum(seats.stakes) == pytest.approx(0.2, abs=0.001)


def test_pay_per_work_is_that_of_all_seeds_together() -> None:
    """The mean of the seeds' quotients would be 0.67: it is too high where honest miners are paid unevenly."""
    months = [({"honest small": pay, "other": 1.0}, {"honest small": 1.0, "other": 1.0}) for pay in (1.0, 3.0)]
    assert per_work(months, "other") == {"mean": 0.5, "error": pytest.approx(1 / 3, abs=1e-4)}
    assert per_work(months, "griefer")["mean"] == 0


def test_a_verdict_is_shared_among_validators() -> None:
    """With 16 of them each reads less than a quarter of what it would read alone; three judge everything."""
    assert (cost(3, 20).share, cost(16, 200).share) == (1.0, pytest.approx(0.21, abs=0.03))


@pytest.mark.nightly
def test_a_crawl_is_covered_although_a_tenth_burns_it(tmp_path: Path) -> None:
    """What griefers fail or hold is leased again, and is done by others."""
    found = Crawl(tmp_path, hotkeys=40, griefers=0.1, warcs=800, seed=1).run(days=6)
    assert found.at_the_end >= 0.99


@pytest.mark.nightly
@pytest.mark.parametrize(("stake", "friends_pay"), [(0.45, 0.0), (0.55, 1.0)])
def test_colluders_pay_their_friends_with_a_majority_alone(stake: float, friends_pay: float) -> None:
    """Below half of the stake friends that do no work get nothing, and their validators no dividends."""
    found = collude(stake, seed=1)
    assert found.friends_pay == pytest.approx(friends_pay, abs=0.01)
    assert (found.dividends > found.honest_dividends) == (friends_pay == 1.0)


@pytest.mark.parametrize("load", sampled([4.0, 1.0, 1.5, 16.0]))
def test_equal_work_is_paid_alike_within_the_sampling_error(load: float) -> None:
    """Whatever the load and the size of the hotkey; where everything is judged, exactly."""
    for size in SIZES:
        found = weight_of(load, size, seed=1)
        assert abs(found.mean - 1) <= 3 * found.sampling_error / MONTHS**0.5 + 0.01
        assert found.spread <= 1.4 * found.sampling_error + 0.01


@pytest.mark.nightly
def test_hotkeys_are_paid_by_work_whatever_their_number() -> None:
    """Few tasks, many tasks, one operator with four hotkeys; small ones had 0.89 and large ones 1.14 in ten days."""
    months = [simulate(SHORT, seed) for seed in (1, 2)]
    rate = {who: sum(one.pay[who] / one.work[who] for one in months) for who in HONEST_WORK}
    assert max(rate.values()) < 1.1 * min(rate.values()), rate


def test_a_lie_ended_pay_for_a_day() -> None:
    """The earlier rules: after a forgery nothing counts for a day."""
    verdicts = [
        earlier.Verdict("a", 100, 200, passed=True, total=0.9, forged=False, warcs=4),
        earlier.Verdict("a", 300, 400, passed=False, total=0.0, forged=True, warcs=4),
        earlier.Verdict("a", 500, 600, passed=True, total=0.9, forged=False, warcs=4),
    ]
    assert earlier.weights(verdicts[:1], 1000) == {"a": pytest.approx(0.18 * 4)}
    assert earlier.weights(verdicts, 1000) == {}


def test_tables_and_pictures_are_well_formed(month: Result, found: dict[str, Any]) -> None:
    """Every strategy and kind has its row, and every picture is XML."""
    text = table(found | {"others": [compared(SMALL, [month])]})
    assert all(f"| {name} |" in text for name in (*SMALL.miners, *SMALL.validators))
    for picture in (
        *pictures(found).values(),
        bars("a & b", {"<c>": [0.5]}, ["d"], limit=1.0),
        lines("e", {"f": [0.1, 0.2]}, across="g"),
    ):
        assert ET.fromstring(picture).tag.endswith("svg")
