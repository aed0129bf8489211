"""Checks run side by side, with deadlines, and wait for what they need."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from finest.chain.options import ChainOptions
from finest.doctor.subject import Once, Subject
from finest.errors import HubError
from finest.examination import examine
from finest.findings import Check, Finding, State, failure, ok, skipped, warning
from finest.settings import Settings

DEADLINE_S = 0.2


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(Settings(cache=tmp_path), ChainOptions(), work=tmp_path)


def test_checks_run_side_by_side(subject: Subject) -> None:
    """Two checks that wait for each other both end."""
    meeting = threading.Barrier(2, timeout=25)

    def meet(_: Subject) -> Finding:
        meeting.wait()
        return ok("met")

    found = examine([Check("a", meet, 30), Check("b", meet, 30)], subject)
    assert found == {"a": ok("met"), "b": ok("met")}


def test_a_check_past_its_deadline_has_failed(subject: Subject) -> None:
    """It is left behind, the others are heard, and its hint says what to do."""
    never = threading.Event()

    def hang(_: Subject) -> Finding:
        never.wait()
        return ok("too late")

    checks = [Check("slow", hang, DEADLINE_S, hint="look at the network"), Check("quick", lambda _: ok("here"))]
    found = examine(checks, subject)
    assert found["slow"].state is State.FAILURE
    assert found["slow"].mend == "look at the network"
    assert found["quick"] == ok("here")
    never.set()


@pytest.mark.parametrize("first", [failure("no", "mend it"), skipped("not needed")])
def test_what_needs_an_ill_check_is_skipped(first: Finding, subject: Subject) -> None:
    """The whole chain of needs is skipped, each naming the one before it."""
    checks = [
        Check("third", lambda _: ok("never"), needs=("second",)),
        Check("first", lambda _: first),
        Check("second", lambda _: ok("never"), needs=("first",)),
    ]
    assert examine(checks, subject) == {
        "third": skipped("needs second"), "first": first, "second": skipped("needs first"),
    }  # fmt: skip


def test_a_warning_keeps_nothing_from_being_looked_at(subject: Subject) -> None:
    """Only a failure does."""
    checks = [Check("first", lambda _: warning("hm")), Check("second", lambda _: ok("yes"), needs=("first",))]
    assert examine(checks, subject)["second"] == ok("yes")


def test_an_error_is_a_finding(subject: Subject) -> None:
    """An error of ours is its line; a foreign one is named without its words, which may hold a secret."""

    def ours(_: Subject) -> Finding:
        raise HubError("the Hub says no")

    def foreign(_: Subject) -> Finding:
        raise ValueError("https://me:secret@example.org")

    found = examine([Check("ours", ours, hint="do this"), Check("foreign", foreign)], subject)
    assert found["ours"] == failure("the Hub says no", "do this")
    assert found["foreign"].state is State.FAILURE
    assert "ValueError" in found["foreign"].line
    assert "secret" not in str(found["foreign"])


def test_no_finding_shows_a_secret(subject: Subject) -> None:
    """Passwords in addresses and the Hub's tokens are cut out of every line."""
    token = "hf_" + "a" * 34
    said = failure(f"https://me:secret@host/x does not take {token}", f"curl https://me:secret@host/ -H {token}")
    (found,) = examine([Check("leaky", lambda _: said)], subject).values()
    assert "secret" not in str(found)
    assert token not in str(found)
    assert "https://host/x" in found.line


def test_a_value_is_fetched_once() -> None:
    """Whoever asks gets the same value, or the same error."""
    asked: list[int] = []
    value = Once(lambda: asked.append(1) or "value")
    assert value() == value() == "value"
    assert asked == [1]

    def fail() -> str:
        asked.append(2)
        raise HubError("no")

    broken = Once(fail)
    for _ in range(2):
        with pytest.raises(HubError):
            broken()
    assert asked == [1, 2]
