"""The input and the result of a spot check.

A module of its own, because the process that checks imports it before it gives up access to files, when no library may
have started a thread yet.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from finest.validator.models import Outcome


class Reported(BaseModel):
    """A validator's report to the task server about a task, with the place of its evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validator: str
    evidence: str
    """OWNER/NAME@REVISION#ROOT."""
    sha256: str
    verdict: Outcome
    score: float
    tokens: int | None = None


class Checked(BaseModel):
    """The result of a spot check."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    difference: str = ""
    """The first difference; empty if there is none, or if the check was not possible."""
    unknown: str = ""
    """Why the check was not possible, which is not the other validator's fault; empty if it was."""
