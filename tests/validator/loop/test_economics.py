"""What rational miners do with the pay: no strategy earns more than 1.05 times honest work per WARC refined.

Each test is named after an exploit that paid before the weights were of verified work.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from statistics import mean

import pytest

from finest.validator.loop.queue import Queue
from finest.validator.loop.sampling import (
    MIN_SAMPLES,
    VERDICTS_A_DAY,
    capacity_of,
    is_drawn,
    share_of,
    shared_seed,
)
from finest.validator.loop.weights import PAY_DAYS, HotkeyScore, Past, hotkey_scores
from finest.validator.models import Assignment, Beacon, Subject, Submission
from tests import prepared
from tests.deep import sampled

from .economy import DAY, Work, day_of, honest_warcs, paid, paid_by_sample, per_work
from .lines import seen

FIRST, LAST, END = 4, 6, 11
"""A cheat works from its first to its last day, in a crowd that works all the time until the end and has begun so early
that it is paid in full on the first day. All but what vests is paid before the end."""
HONEST = [f"5honest{number:041d}" for number in range(9)]
CHEAT = "5cheat" + "0" * 42


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Queue]:
    """The validator's queue, on SQLite alone: what is tested is what it pays."""
    queue = Queue.open(prepared.sqlite("queue", tmp_path / "validator.db"))
    yield queue
    queue.close()


def crowd(tasks: int = 16, warcs: int = 4, miners: int = 9, days: int = END) -> list[Work]:
    """Honest miners who do the same every day."""
    return [
        one for hotkey in HONEST[:miners] for day in range(days) for one in day_of(hotkey, day, (tasks, warcs, True))
    ]


def per_honest_warc(shares: dict[str, float], work: list[Work], operator: list[str]) -> float:
    """The pay of an operator for each WARC that it refined on the days that are looked at."""
    return per_work(shares, [one for one in work if one.block > FIRST * DAY], operator)


@pytest.mark.parametrize(
    ("empty", "honest"),
    [((5, 64), (1, 1)), ((13, 64), (3, 1)), ((8, 64), (8, 4)), ((1, 64), (15, 4)), ((12, 1), (4, 64))],
)
def test_empty_tasks_are_not_paid(empty: tuple[int, int], honest: tuple[int, int]) -> None:
    """Empty tasks among honest ones, large among small and small among large: they earned up to 241 times as much."""
    work = crowd(tasks=4)
    for day in range(FIRST, LAST + 1):
        work += day_of(CHEAT, day, (*empty, False), (*honest, True))
    shares = paid(work, FIRST * DAY, END * DAY)
    assert per_honest_warc(shares, work, [CHEAT]) <= 1.05 * per_honest_warc(shares, work, HONEST)


def test_best_response_over_task_sizes_is_honest_work() -> None:
    """Whatever the sizes of honest and empty tasks, and whether they come on the same day or on turns."""
    base = crowd(tasks=2, warcs=64)
    for big, small, empties, turns in itertools.product((1, 64), (1, 16), (0, 1, 6), (False, True)):
        work = list(base)
        for day in range(FIRST, LAST + 1):
            parts = [(empties, big, False), (4, small, True)]
            work += day_of(CHEAT, day, *([parts[day % 2]] if turns and empties else parts))
        shares = paid(work, FIRST * DAY, END * DAY)
        bar = 1.05 * per_honest_warc(shares, work, HONEST)
        assert per_honest_warc(shares, work, [CHEAT]) <= bar, (big, small, empties, turns)


@pytest.mark.nightly
@pytest.mark.parametrize("turns", [False, True])
def test_large_claims_hidden_behind_small_samples_do_not_pay(ledger: Queue, turns: bool) -> None:
    """Where a part is judged: a WARC of a large empty task is as likely to be judged as one of a small honest task.

    Four cheats, within two sampling errors: another test shows that the expectation is exact.
    """
    work = crowd(tasks=4, miners=4)
    cheats = [f"5cheat{number:042d}" for number in range(4)]
    for day, cheat in itertools.product(range(FIRST, LAST + 1), cheats):
        parts = [(8, 1, True), (3, 16, False)]
        work += day_of(cheat, day, *([parts[day % 2]] if turns else parts))
    shares = paid_by_sample(ledger, work, 14.0, FIRST * DAY, END * DAY)
    samples = sum(past.verdict == "pass" and past.hotkey in cheats for past in ledger.past(0))
    bar = 1.05 + 2 * max(1, samples) ** -0.5
    assert per_honest_warc(shares, work, cheats) <= bar * per_honest_warc(shares, work, HONEST)


@pytest.mark.parametrize("load", sampled([16, 4, 1]))
def test_backlog_starves_nobody(ledger: Queue, load: int) -> None:
    """Work of up to sixteen times what is judged: everybody is paid for the WARCs; none had a weight at load 1.2."""
    days, miners = 5, 5
    work = crowd(tasks=10, miners=miners, days=days)
    large = CHEAT.replace("cheat", "large")
    for day in range(days):
        work += day_of(large, day, (20, 8, True))
    capacity = len(work) / days / load
    shares = paid_by_sample(ledger, work, capacity, 3 * DAY, days * DAY)
    judged = [past for past in ledger.past(0) if past.verdict == "pass"]
    assert len(judged) <= 1.5 * days * capacity + (miners + 1) * MIN_SAMPLES
    refined = honest_warcs(work)
    for hotkey in (*HONEST[:miners], large):
        fair = refined[hotkey] / sum(refined.values())
        paid_days = sum(past.hotkey == hotkey and past.block > DAY for past in judged)
        error = sum(1 - past.share for past in judged if past.hotkey == hotkey) ** 0.5 / max(1, paid_days)
        assert abs(shares.get(hotkey, 0.0) - fair) < (0.05 + 2.5 * error) * fair, (hotkey, error)


def test_the_first_day_is_drawn_like_any_other(ledger: Queue) -> None:
    """Also after a day without the task server: 2.4 times what can be judged was drawn, so that verdicts were late."""
    capacity = 12.0
    paid_by_sample(ledger, crowd(tasks=10, miners=5, days=1), capacity, 0, 1)
    assert sum(past.verdict == "pass" for past in ledger.past(0)) < 1.7 * capacity


@pytest.mark.nightly
def test_splitting_hotkeys_gains_nothing(ledger: Queue) -> None:
    """The same work under eight hotkeys, where a part is judged; a queue that shared verdicts by hotkey rewarded it.

    Within two sampling errors: another test shows that the expectation is exact.
    """
    split = [f"5split{number:042d}" for number in range(8)]
    work = crowd(tasks=8, miners=2)
    for day in range(FIRST, LAST + 1):
        for hotkey in split:
            work += day_of(hotkey, day, (2, 2, True))
    shares = paid_by_sample(ledger, work, 14.0, FIRST * DAY, END * DAY)
    samples = sum(past.verdict == "pass" and past.hotkey in split for past in ledger.past(0))
    assert samples > 12
    assert per_honest_warc(shares, work, split) <= (1 + 2 * samples**-0.5) * per_honest_warc(shares, work, HONEST)


def test_registering_anew_is_paid_less_at_first() -> None:
    """Ten tasks of one WARC restored 0.77 of an average that counted verdicts; now it takes so many WARCs."""
    work = [*crowd(tasks=40, warcs=1), *day_of(CHEAT, END - 1, (40, 1, True))]
    shares = paid(work, END * DAY - 360, END * DAY)
    assert shares[CHEAT] < 0.95 * shares[HONEST[0]]


def test_shares_are_by_work_and_fit_the_capacity() -> None:
    """In proportion to the WARCs; small hotkeys are looked at too; all together as much as can be judged."""
    tasks = {"many": {1: 300, 4: 200, 64: 10}, "few": {1: 8}, **{f"h{number}": {4: 5} for number in range(18)}}

    def share(warcs: int, hotkey: str, capacity: float = 100) -> float:
        return share_of(warcs, hotkey, tasks, capacity)

    drawn = sum(number * share(size, hotkey) for hotkey, sizes in tasks.items() for size, number in sizes.items())
    assert drawn == pytest.approx(100, rel=0.01)
    assert share(4, "many") == pytest.approx(4 * share(1, "many"))
    assert share(64, "many") == 1
    assert 8 * share(1, "few") == pytest.approx(100 / 2 / 20)
    assert 8 * share(1, "few", 400) == pytest.approx(MIN_SAMPLES)
    assert share(1, "many", 608) == 1
    assert share_of(16, "new", tasks, 100) == 1


def test_the_draw_is_the_seeds() -> None:
    """As likely as it says, over many seeds."""
    drawn = [is_drawn(f"{seed:064x}", 0.25) for seed in range(2000)]
    assert 0.2 < mean(drawn) < 0.3
    assert all(is_drawn(f"{seed:064x}", 1.0) for seed in range(100))


def task(worth: float, warcs: int, share: float) -> Past:
    """A task that was drawn with a probability, worth so much for each WARC."""
    verdict = "pass" if worth else "fail"
    return Past(CHEAT, 1, 100, 200, verdict, worth, False, warcs, worth and 1e6 * warcs, share)  # type: ignore[arg-type]


@pytest.mark.parametrize("shares", [(0.25, 0.25, 0.25), (0.05, 0.4, 1.0), (1.0, 1.0, 1.0)])
@pytest.mark.parametrize("worths", [(1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (1.0, 0.5, 0.0), (0.0, 0.0, 1.0)])
def test_no_choice_of_tasks_and_probabilities_is_expected_to_be_paid_more(
    shares: tuple[float, ...], worths: tuple[float, ...]
) -> None:
    """Over all outcomes of the draw: exactly the value of all tasks, whatever the miner knew of the probabilities.

    The mean of what was judged, paid for all that was not, was exact for tasks of one size alone. Fails lower the
    weight further, by the reliability.
    """
    tasks = [task(*one) for one in zip(worths, (1, 16, 64), shares, strict=True)]
    pay = weight = 0.0
    for drawn in itertools.product((False, True), repeat=len(tasks)):
        chance = prod(one.share if is_in else 1 - one.share for one, is_in in zip(tasks, drawn, strict=True))
        judged = list(itertools.compress(tasks, drawn))
        score = hotkey_scores(judged, 300)[CHEAT] if judged else HotkeyScore()
        pay, weight = pay + chance * score.pay, weight + chance * score.weight
    whole = sum(one.total * one.tokens for one in tasks)
    assert pay == pytest.approx(whole / PAY_DAYS)
    assert weight <= whole * (0.7 / PAY_DAYS + 0.3 / 30) + 1e-6


def test_who_sees_the_draws_and_chooses_by_them_gains_nothing() -> None:
    """Honest work until a task is drawn, then empty tasks until one is drawn, then honest work again, and so on.

    The draw is public, so a miner can stop in time. Paying for undrawn tasks by the mean of drawn ones, as before,
    rewards that: each empty task that is not drawn is paid like the honest ones before it.
    """
    share, number = 0.25, 9
    pay = weight = worked = 0.0
    for draws in itertools.product((False, True), repeat=number):
        honest, done = True, []
        for is_in in draws:
            done.append(task(float(honest), 4, share))
            honest = honest != is_in
        chance = prod(share if is_in else 1 - share for is_in in draws)
        judged = list(itertools.compress(done, draws))
        score = hotkey_scores(judged, 300)[CHEAT] if judged else HotkeyScore()
        pay, weight = pay + chance * score.pay * PAY_DAYS, weight + chance * score.weight
        worked += chance * sum(one.total * one.tokens for one in done)
    assert pay == pytest.approx(worked)
    assert weight <= worked * (0.7 / PAY_DAYS + 0.3 / 30)


def test_deleting_what_was_not_drawn_costs_the_pay_of_what_was() -> None:
    """Nobody judges it, so its data need not be there to be judged; but those who look at it call it a fail."""
    drawn = task(1.0, 4, 0.25)
    kept, gone = hotkey_scores([drawn], 300)[CHEAT], hotkey_scores([drawn, *[task(0.0, 4, 1.0)] * 3], 300)[CHEAT]
    assert gone.weight < 0.6 * kept.weight


def test_holding_work_back_gains_nothing() -> None:
    """Finished on one day and committed on the next but one, while others work on: the same pay, later."""
    work = crowd(tasks=4)
    for day in range(FIRST, LAST + 1):
        work += day_of(CHEAT, day + (2 if day == LAST else 0), (4, 4, True))
    shares = paid(work, FIRST * DAY, END * DAY)
    assert per_honest_warc(shares, work, [CHEAT]) <= 1.05 * per_honest_warc(shares, work, HONEST)


def test_warcs_that_are_cheap_to_refine_are_no_bargain() -> None:
    """All WARCs were paid alike, so who chose crawls with little text earned the same for less; tokens are paid."""
    full = [task(0.86, 4, 1.0)] * 4
    easy = [replace(one, tokens=one.tokens / 3) for one in full]
    paid_full, paid_easy = (hotkey_scores(one, 300)[CHEAT].weight for one in (full, easy))
    assert paid_easy == pytest.approx(paid_full / 3)


def test_two_warcs_after_the_end_of_a_crawl_are_no_fortune() -> None:
    """Everybody else's work is done on two days; two WARCs committed later earned 40 times their share of the work."""
    work = [*crowd(days=2), Work(3 * DAY, CHEAT, 1), Work(4 * DAY, CHEAT, 1)]
    share = paid(work, DAY, 30 * DAY)[CHEAT]
    assert share < 4 * 2 / sum(one.warcs for one in work)


def test_a_day_without_the_task_server_costs_nobody() -> None:
    """Weights fell to nothing within 25 hours; now the work of three days counts, and all fall alike."""
    work = [one for one in crowd(tasks=4, days=8) if not 5 * DAY < one.block <= 6 * DAY]
    for at in range(5 * DAY, 8 * DAY, DAY // 4):
        found = paid(work, at, at + 1)
        assert len(found) == len(HONEST) and max(found.values()) < 1.01 * min(found.values())


def test_all_validators_draw_the_same() -> None:
    """The median over validators that draw by themselves is below the mean: hotkeys that do little were paid less."""
    beacon = Beacon(block=9, hash="0x" + "5e" * 32)
    subjects = [
        Subject(submission=Submission(line="a line"), task=Assignment(warcs=()), seed=f"{seed:064x}", beacon=beacon)
        for seed in range(3)
    ]
    assert len({shared_seed(one) for one in subjects}) == 1
    other = subjects[0].model_copy(update={"beacon": Beacon(block=9, hash="0x" + "6e" * 32)})
    assert shared_seed(other) != shared_seed(subjects[0])


def test_later_tasks_change_no_draw_of_earlier_ones(ledger: Queue) -> None:
    """Who knows the draw of its line could otherwise commit more, or less, until the line is drawn after all."""
    ledger.add([seen(HONEST[0], number, block=100 + number) for number in range(50)])
    assert ledger.sizes(120 - DAY, 120) == {HONEST[0]: {4: 21}}
    assert ledger.sizes(149, 149) == {}


def test_no_validator_is_drawn_for_more_than_it_can_judge() -> None:
    """What counts against its capacity are the tasks that the committee leaves to it, not all tasks."""
    equal = {f"v{number}": 1.0 for number in range(64)}
    assert capacity_of({"v": 1.0}) == capacity_of({}) == VERDICTS_A_DAY
    assert 1.7 < capacity_of(equal) / VERDICTS_A_DAY < 2
    assert capacity_of(equal | {"large": 64.0}) < 1.2 * VERDICTS_A_DAY
