"""What the checks of a machine, an account or a cluster are, and what each of them finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from finest.masking import masked

Subject = TypeVar("Subject")
"""What the checks of one examination look at: a miner's set-up, or a cluster."""


class State(str, Enum):
    """How it is. Only a failure keeps from work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: one plain line; with a failure, and where it helps with others, what mends it."""

    state: State
    line: str
    mend: str | None = None
    """A command to paste, or a step in one line."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", masked(self.line))  # a setting may hold a password
        object.__setattr__(self, "mend", self.mend and masked(self.mend))


def ok(line: str) -> Finding:
    return Finding(State.OK, line)


def warning(line: str, mend: str | None = None) -> Finding:
    return Finding(State.WARNING, line, mend)


def failure(line: str, mend: str) -> Finding:
    return Finding(State.FAILURE, line, mend)


def skipped(because: str, mend: str | None = None) -> Finding:
    return Finding(State.SKIPPED, because, mend)


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One thing that is looked at."""

    name: str
    """Stands in the guide's table of troubles."""
    look: Callable[[Subject], Finding]
    deadline_s: float = 10.0
    """Seconds from its own start; past them it has failed."""
    needs: tuple[str, ...] = ()
    """Checks that come first; where one of them is not well this one is skipped."""
    hint: str = "run the same command again; the machine or the network was too slow"
    """What to do when the deadline passes."""
