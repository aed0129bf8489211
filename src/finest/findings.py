"""The types of checks (of a machine, an account or a cluster) and of their findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from finest.masking import masked

Subject = TypeVar("Subject")
"""Type of the object that an examination's checks inspect: a miner's set-up, or a cluster."""


class State(str, Enum):
    """State of a check. Only a failure prevents the work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check: one line, and for a failure (or where it helps) how to repair it."""

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
    """One check of an examination."""

    name: str
    """Name of the check, as in the guide's table of problems."""
    look: Callable[[Subject], Finding]
    deadline_s: float = 10.0
    """Seconds after its start at which the check fails."""
    needs: tuple[str, ...] = ()
    """Checks that run first; if one of them fails, this one is skipped."""
    hint: str = "run the same command again; the machine or the network was too slow"
    """The advice that is shown when the deadline passes."""
