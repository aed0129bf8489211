"""Chores: one that fails starts anew alone, and all of them end when they are told to."""

from __future__ import annotations

import threading
import time

import pytest

from finest import retry
from finest.errors import TaskServerUnavailable
from finest.retry import Policy
from finest.validator.loop import periodic
from finest.validator.loop.periodic import Chore, run

LONG_S = 1000.0
WAIT_S = 60.0
"""For what takes no time on a machine that is not busy."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "RETRY", Policy(first_s=0.001, cap_s=0.01))


def test_a_chore_that_fails_starts_anew_alone() -> None:
    """It works again when it can; the other one has not noticed."""
    stop, worked, said, tried = threading.Event(), threading.Event(), list[str](), list[int]()

    def broken() -> float:
        tried.append(len(tried))
        if len(tried) <= 3:
            raise TaskServerUnavailable("the task server does not answer")
        assert worked.wait(WAIT_S)
        stop.set()
        return LONG_S

    def sound() -> float:
        worked.set()
        return 0.001

    other = Chore("judge", sound, stop, said.append)
    bad = Chore("watch", broken, stop, said.append)
    run([bad, other], stop, WAIT_S)
    assert (bad.rounds, bad.failures, len(said)) == (1, 0, 3)
    assert all(line.startswith("watch: the task server does not answer; again in") for line in said)
    assert other.rounds >= 1
    assert not other.is_alive()


def test_what_nobody_foresaw_is_told_with_its_place() -> None:
    """A mistake of ours ends no chore either, and is not hidden."""
    stop, said = threading.Event(), list[str]()

    def mistaken() -> float:
        if said:
            stop.set()
        return 1 / (0 if not said else 1)

    chore = Chore("weigh", mistaken, stop, said.append)
    run([chore], stop, WAIT_S)
    assert "ZeroDivisionError" in said[0]
    assert "mistaken" in said[0]
    assert chore.rounds == 1


def test_waits_grow_and_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as long after each failure in a row, up to the longest."""
    monkeypatch.setattr(periodic, "RETRY", Policy(first_s=1.0, cap_s=8.0))
    monkeypatch.setattr(retry.random, "uniform", lambda _, most: most)
    answers: list[float | Exception] = [OSError("no"), OSError("no"), *[OSError("no")] * 4, 0.5, OSError("no")]

    def round_() -> float:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    chore = Chore("report", round_, threading.Event(), lambda _: None)
    assert [chore._once() for _ in range(8)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 0.5, 1.0]


def test_they_stop_at_once() -> None:
    """Though each of them would sleep for long."""
    stop = threading.Event()
    sleepers = [Chore(str(number), lambda: LONG_S, stop, lambda _: None) for number in range(3)]
    threading.Timer(0.2, stop.set).start()
    began_s = time.monotonic()
    run(sleepers, stop, LONG_S)
    assert time.monotonic() - began_s < LONG_S / 10
    assert not any(one.is_alive() for one in sleepers)


def test_one_that_hangs_does_not_keep_the_others() -> None:
    """After its time it is left behind: the process ends with it."""
    stop, release = threading.Event(), threading.Event()
    hung = Chore("judge", lambda: float(release.wait(60)), stop, lambda _: None)
    sound = Chore("watch", lambda: LONG_S, stop, lambda _: None)
    threading.Timer(0.1, stop.set).start()
    run([hung, sound], stop, 0.3)
    assert hung.is_alive()
    assert not sound.is_alive()
    assert hung.daemon
    release.set()
    hung.join(5)


def test_a_failure_of_the_end_is_not_said() -> None:
    """What is cut off because it is to stop is no failure."""
    stop, said = threading.Event(), list[str]()

    def cut_off() -> float:
        stop.set()
        raise TaskServerUnavailable("cut off")

    run([Chore("report", cut_off, stop, said.append)], stop, WAIT_S)
    assert said == []
