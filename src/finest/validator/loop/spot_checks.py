"""Spot checks: whose published evidence a validator replays for a line for which it was not drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finest.validator.seed import Draw

if TYPE_CHECKING:
    from finest.tasks.models import Score


def published_score(scores: Sequence[Score], seed: str) -> Score | None:
    """Return one of the verdicts whose evidence is published, drawn by the seed; None if none is."""
    found = [score for score in scores if score.evidence and score.evidence_sha256]
    return found[Draw(seed, "spot-check member").below(len(found))] if found else None
