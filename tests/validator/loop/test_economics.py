"""What rational miners do with the pay: no strategy earns more than 1.05 times honest work per WARC refined.

Each test is named after an exploit that paid before the weights were of verified work.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, pstdev

import pytest

from finest.validator.loop.queue import Queue
from finest.validator.loop.sampling import MIN_SAMPLES, is_drawn, share_of, step_of
from tests.deep import sampled

from .economy import DAY, Work, day_of, honest_warcs, paid, paid_by_sample, per_work

FIRST, LAST, END = 1, 4, 8
"""A cheat works from its first to its last day, in a crowd that works all the time until the end; everything is paid
before the end."""
HONEST = [f"5honest{number:041d}" for number in range(9)]
CHEAT = "5cheat" + "0" * 42


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Queue]:
    """The validator's queue, on SQLite alone: what is tested is what it pays."""
    queue = Queue.open(f"sqlite:///{tmp_path / 'validator.db'}")
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


@pytest.mark.parametrize("turns", sampled([False, True]))
def test_large_claims_hidden_behind_small_samples_do_not_pay(ledger: Queue, turns: bool) -> None:
    """Where a part is judged: a WARC of a large empty task is as likely to be judged as one of a small honest task."""
    work = crowd(tasks=6, miners=5)
    for day in range(FIRST, LAST + 1):
        parts = [(12, 1, True), (4, 16, False)]
        work += day_of(CHEAT, day, *([parts[day % 2]] if turns else parts))
    shares = paid_by_sample(ledger, work, 16.0, FIRST * DAY, END * DAY)
    assert per_honest_warc(shares, work, [CHEAT]) <= 1.05 * per_honest_warc(shares, work, HONEST)


@pytest.mark.parametrize("load", sampled([16, 4, 1]))
def test_backlog_starves_nobody(ledger: Queue, load: int) -> None:
    """Work of up to sixteen times what is judged: everybody is paid for the WARCs; none had a weight at load 1.2."""
    days, miners = 5, 5
    work = crowd(tasks=16, miners=miners, days=days)
    large = CHEAT.replace("cheat", "large")
    for day in range(days):
        work += day_of(large, day, (32, 8, True))
    capacity = len(work) / days / load
    shares = paid_by_sample(ledger, work, capacity, 3 * DAY, days * DAY)
    every = [shares.get(hotkey, 0.0) for hotkey in HONEST[:miners]]
    judged = sum(ledger.counts().verdicts.get(name, 0) for name in ("pass", "fail"))
    assert judged <= 1.5 * days * capacity + (miners + 1) * MIN_SAMPLES
    samples = judged / days / (miners + 1)
    assert pstdev(every) / mean(every) < samples**-0.5
    refined = honest_warcs(work)
    fair = refined[large] / sum(refined.values())
    assert abs(shares[large] - fair) < 0.1 * fair


def test_splitting_hotkeys_gains_nothing(ledger: Queue) -> None:
    """The same work under eight hotkeys, where a part is judged; a queue that shared verdicts by hotkey rewarded it."""
    split = [f"5split{number:042d}" for number in range(8)]
    work = crowd(tasks=12, miners=3)
    for day in range(FIRST, LAST + 1):
        for hotkey in split:
            work += day_of(hotkey, day, (3, 2, True))
    shares = paid_by_sample(ledger, work, 20.0, FIRST * DAY, END * DAY)
    assert per_honest_warc(shares, work, split) <= 1.05 * per_honest_warc(shares, work, HONEST)


def test_registering_anew_is_paid_less_at_first() -> None:
    """Ten tasks of one WARC restored 0.77 of an average that counted verdicts; now it takes so many WARCs."""
    work = [*crowd(tasks=40, warcs=1), *day_of(CHEAT, END - 1, (40, 1, True))]
    shares = paid(work, END * DAY - 360, END * DAY)
    assert shares[CHEAT] < 0.95 * shares[HONEST[0]]


def test_shares_are_by_work_and_fit_the_capacity() -> None:
    """In proportion to the WARCs; small hotkeys are looked at too; all together about as much as can be judged."""
    sizes = [1] * 400 + [4] * 300 + [64] * 10
    step = step_of(sizes, 100)
    assert sum(min(1.0, size / step) for size in sizes) == pytest.approx(100, rel=0.01)
    assert step_of([5, 5], 10) == 5
    own = [1] * 48
    small = share_of(1, own, sizes, 20, 100)
    assert share_of(4, own, sizes, 20, 100) == pytest.approx(4 * small)
    assert 48 * small == pytest.approx(100 / 2 / 20)
    assert share_of(1, [1] * MIN_SAMPLES, sizes, 5, 100) == 1
    assert share_of(1, own, sizes, 20, 710) == 1


def test_the_draw_is_the_seeds() -> None:
    """As likely as it says, over many seeds."""
    drawn = [is_drawn(f"{seed:064x}", 0.25) for seed in range(2000)]
    assert 0.2 < mean(drawn) < 0.3
    assert all(is_drawn(f"{seed:064x}", 1.0) for seed in range(100))
