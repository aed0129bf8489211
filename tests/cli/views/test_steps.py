"""The steps of a long computation, where the output is no terminal: few lines, with the time left."""

from __future__ import annotations

import io

import pytest

from finest.cli.views import steps
from finest.cli.views.steps import Steps
from finest.terminal import plain_console


def told(*calls: tuple[str, float, str]) -> list[str]:
    """The lines that these calls print."""
    file = io.StringIO()
    with Steps(plain_console(file=file, width=100)) as shown:
        for call in calls:
            shown(*call)
    return file.getvalue().splitlines()


def test_a_step_begins_and_ends_with_a_line() -> None:
    lines = told(("Reading", 0.0, "a"), ("Reading", 0.4, "b"), ("Reading", 1.0, "c"), ("Training", 0.0, "d"))
    assert lines == ["Reading:   0%  a", "Reading: 100%  c", "Training:   0%  d"]


def test_the_same_is_said_once() -> None:
    assert told(("Reading", 1.0, "c"), ("Reading", 1.0, "c")) == ["Reading: 100%  c"]


def test_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, a line says how far the step is and when it will be done."""
    clock = iter([0.0, 30.0])
    monkeypatch.setattr(steps.time, "monotonic", lambda: next(clock))
    assert told(("Reading", 0.0, "a"), ("Reading", 0.5, "b")) == ["Reading:   0%  a", "Reading:  50%  b, 30 s left"]
