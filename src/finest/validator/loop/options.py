"""The options of `finest validate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from finest.validator.loop.updating import UpdateOptions
    from finest.validator.models import Plan

AGAIN_S = (600.0, 3600.0, 6 * 3600.0, 24 * 3600.0, 24 * 3600.0)
"""Waits after an audit without a verdict. Most failures of the Hub pass within the hour; after the last wait, two and a
half days in total, the line is recorded as without evidence."""


@dataclass(frozen=True, slots=True)
class ValidateOptions:
    """The options of `finest validate`."""

    work: Path
    plan: Plan
    tokens: int
    tier: int = 1
    device: str | None = None
    """For tier 2: cpu or cuda; None uses a GPU if there is one."""
    parallel: int = 1
    """Number of verdicts that run at the same time."""
    sets_weights: bool = True
    wandb: str | None = None
    """The W&B project that receives figures, [ENTITY/]NAME; None disables telemetry."""
    update: UpdateOptions | None = None
    """Automatic updates; None stays at the release that the operator has installed."""
    evidence_repo: str | None = None
    """Dataset repository in which the evidence is published, [OWNER/]NAME; None publishes none."""
    again_s: tuple[float, ...] = AGAIN_S
