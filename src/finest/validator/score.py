"""The score of a task, from 0 to 1: one pure function of the measured values.

    S = A x H x min(R, V) x Q / ceiling x P

    A  admissible    1 if lease, commitment, revision, manifest, hashes and source paths agree, else 0
    H  honesty       1 - severity x share of bad rows; 0 if chance cannot explain so many
    R  recall        share of the sources' kept pages, in windows drawn at random, that the dataset holds
    V  volume        its unique tokens divided by the reference's, at most 1
    Q  quality       (raw - bpb - z x error) / (raw - reference) in bits per byte, from 0 to the ceiling
    P  promptness    1 - promptness x share of the first lease's blocks that were used

The smaller of R and V counts, because both measure how much of the work was done. Quality is on the task's own scale:
raw text of the same records is 0, and the validator's own refinement of them is 1, so that a poor WARC costs no miner
anything. Uncertainty (the error of bpb) is never paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb, isfinite


@dataclass(frozen=True, slots=True)
class Policy:
    """The constants of the score, measured on real pages; docs/concepts/scoring.md has the reasons."""

    tolerance: float = 0.005
    """Share of rows that may differ on an honest miner's machine, because of libraries on other processors."""
    alpha: float = 1e-4
    """Chance of judging an honest miner forged in one audit."""
    severity: float = 10.0
    """Score lost per share of bad rows: each 1 % of bad rows costs 10 % of the score."""
    ceiling: float = 1.1
    """Maximum quality relative to the reference: room for better recipes, but none for evaluation text in the data."""
    z: float = 1.64
    """Multiple of the standard error that is subtracted from quality: one-sided 95 %."""
    promptness: float = 0.1
    """Maximum share of the score that speed changes."""
    min_gap_bpb: float = 0.01
    """If raw text and reference differ by less, quality is only compared with the reference: 1 or 0."""


POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured values of an audit. Rows and pages are counts; bpb is bits per byte of held-out text."""

    admissible: bool
    rows_checked: int
    """Rows of the dataset that were judged again from their WARC records."""
    rows_bad: int
    """Checked rows that differ from what the recipe makes of their record."""
    pages_checked: int
    """Pages of the sources, in random windows, that the recipe keeps."""
    pages_missed: int
    """Checked pages that the dataset neither holds nor names a duplicate for."""
    unique_tokens: int
    reference_tokens: int
    bpb: float
    bpb_reference: float
    bpb_raw: float
    error_bpb: float
    """Standard error of bpb - bpb_reference, paired."""
    blocks_used: int
    blocks_allowed: int

    @property
    def verified_tokens(self) -> int:
        """The unique tokens of the dataset, at most as many as the reference finds in the task's WARCs."""
        return min(self.unique_tokens, self.reference_tokens)


@dataclass(frozen=True, slots=True)
class Score:
    """The score and its factors."""

    admissible: bool
    forged: bool
    honesty: float
    recall: float
    volume: float
    quality: float
    promptness: float
    ceiling: float

    @property
    def total(self) -> float:
        """S, from 0 to 1."""
        worked = min(self.recall, self.volume)
        return self.admissible * self.honesty * worked * self.quality / self.ceiling * self.promptness


def score(found: Measured, policy: Policy = POLICY) -> Score:
    """Compute the score of a task from the measured values of its audit."""
    forged = is_forged(found.rows_bad, found.rows_checked, policy)
    return Score(
        admissible=found.admissible and found.rows_checked > 0,
        forged=forged,
        honesty=0.0 if forged else max(0.0, 1 - policy.severity * _share(found.rows_bad, found.rows_checked)),
        recall=1 - _share(found.pages_missed, found.pages_checked) if found.pages_checked else 0.0,
        volume=min(1.0, _share(found.unique_tokens, found.reference_tokens)),
        quality=quality(found, policy),
        promptness=1 - policy.promptness * min(1.0, _share(found.blocks_used, found.blocks_allowed)),
        ceiling=policy.ceiling,
    )


def is_forged(rows_bad: int, rows_checked: int, policy: Policy = POLICY) -> bool:
    """Return whether so many bad rows are too unlikely for an honest miner."""
    return chance_of(rows_bad, rows_checked, policy.tolerance) < policy.alpha


def quality(found: Measured, policy: Policy = POLICY) -> float:
    """Return the quality of the dataset between raw text (0) and the reference (1), at most the ceiling."""
    if not isfinite(found.bpb):
        return 0.0
    least = found.bpb + policy.z * found.error_bpb
    gap = found.bpb_raw - found.bpb_reference
    if gap < policy.min_gap_bpb:
        return 1.0 if least <= found.bpb_reference + policy.min_gap_bpb else 0.0
    return min(max((found.bpb_raw - least) / gap, 0.0), policy.ceiling)


@lru_cache(maxsize=4096)
def chance_of(bad: int, checked: int, share: float) -> float:
    """Return P[X >= bad] for X ~ Binomial(checked, share)."""
    return 1 - sum(comb(checked, i) * share**i * (1 - share) ** (checked - i) for i in range(bad)) if bad else 1.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
