"""Convert a measurement into the form that the evidence of an audit stores."""

from __future__ import annotations

from finest.validator import models
from finest.validator.quality.paired import NoEvidence, Quality

FIGURES = (
    "q", "q_error", "submission_tokens", "reference_tokens", "raw_tokens", "kept_tokens", "read_bytes", "source_bytes",
    "heldout_documents", "heldout_bytes",
    "known_documents", "leaked_documents", "seed",
)  # fmt: skip
HASHES = ("submission_sha256", "reference_sha256", "raw_sha256", "heldout_sha256")


def recorded(found: Quality) -> models.Quality:
    """Return the evidence record of a measurement: bits per byte and their error, other figures, and hashes."""
    return models.Quality(
        tier=found.tier, tokens=found.tokens, bpb=found.bpb, bpb_reference=found.bpb_reference, bpb_raw=found.bpb_raw,
        error_bpb=found.error_bpb, figures={**found.runs_on, **{name: getattr(found, name) for name in FIGURES}},
        hashes={**found.parts, **{name.removesuffix("_sha256"): getattr(found, name) for name in HASHES}},
    )  # fmt: skip


def neutral(found: NoEvidence, tier: int, seed: str) -> models.Quality:
    """Return the evidence record of a dataset whose quality counts as the reference's: no bits were measured.

    The tokens that the reference keeps of the windows that were read still bound the tokens that are paid.
    """
    counted = {name: getattr(found, name) for name in ("kept_tokens", "read_bytes", "source_bytes")}
    return models.Quality(
        tier=tier, tokens=0, bpb=0.0, bpb_reference=0.0, bpb_raw=0.0, error_bpb=0.0,
        figures={"not_measured": found.reason, "seed": seed, **counted},
    )  # fmt: skip


def merged(tier: int, seed: str) -> models.Quality:
    """Return the evidence record of a merge, whose rows are those of accepted datasets: no bits were measured."""
    return models.Quality(
        tier=tier, tokens=0, bpb=0.0, bpb_reference=0.0, bpb_raw=0.0, error_bpb=0.0,
        figures={"not_measured": "the rows of a merge are those of accepted datasets", "seed": seed},
    )  # fmt: skip
