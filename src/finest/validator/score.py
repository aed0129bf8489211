"""The score of a task, from 0 to 1: one pure function of the measured values.

    S = A x H x min(R, V) x Q / ceiling x P

    A  admissible    1 if lease, commitment, revision, manifest, hashes and source paths agree, else 0
    H  honesty       1 - severity x share of bad rows; 0 where chance cannot explain so many
    R  recall        share of the sources' kept pages, in windows drawn at random, that the dataset holds
    V  volume        its unique tokens over the reference's, at most 1
    Q  quality       (raw - bpb - z x error) / (raw - reference) in bits per byte, from 0 to the ceiling
    P  promptness    1 - promptness x share of the allowed blocks that were used

The smaller of R and V counts: both measure how much of the work was done. Quality is on the task's own scale, raw text
of the same records at 0 and the validator's own refinement of them at 1, so nobody pays for a poor WARC. What is not
known (the error of bpb) is never paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb, isfinite

REFERENCE_RECIPE = "fineweb"
"""What every submission is held against, whatever recipe it declares; where this version does not have that one, the
reference stands in for it too."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The constants of the score. Measured on real pages; docs/concepts/scoring.md has the reasons."""

    tolerance: float = 0.005
    """Share of rows that may differ on an honest miner's machine: libraries on other processors."""
    alpha: float = 1e-4
    """Chance of finding an honest miner forged in one audit."""
    severity: float = 10.0
    """Each 1 % of bad rows costs 10 % of the score."""
    ceiling: float = 1.1
    """Most that quality counts above the reference: room for better recipes, none for evaluation text in the data."""
    z: float = 1.64
    """One-sided 95 %: that much of the standard error is taken off."""
    promptness: float = 0.1
    """Most that speed changes."""
    min_gap_bpb: float = 0.01
    """Where raw text and reference differ by less, quality is only held against the reference: 1 or 0."""


POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured values of an audit. Rows and pages are counts; bpb is bits per byte of held-out text."""

    admissible: bool
    rows_checked: int
    """Rows of the dataset that were judged again from their WARC records."""
    rows_bad: int
    """Of them, those that are not what the recipe makes of their record."""
    pages_checked: int
    """Pages of the sources, in random windows, that the recipe keeps."""
    pages_missed: int
    """Of them, those that the dataset neither holds nor names a duplicate for."""
    unique_tokens: int
    reference_tokens: int
    bpb: float
    bpb_reference: float
    bpb_raw: float
    error_bpb: float
    """Standard error of bpb - bpb_reference, paired."""
    blocks_used: int
    blocks_allowed: int


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
    """The score of a task from the measured values of its audit."""
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
    """Whether so many bad rows are too unlikely for an honest miner."""
    return chance_of(rows_bad, rows_checked, policy.tolerance) < policy.alpha


def quality(found: Measured, policy: Policy = POLICY) -> float:
    """Skill of the dataset between raw text (0) and the reference (1), at most the ceiling."""
    if not isfinite(found.bpb):
        return 0.0
    least = found.bpb + policy.z * found.error_bpb
    gap = found.bpb_raw - found.bpb_reference
    if gap < policy.min_gap_bpb:
        return 1.0 if least <= found.bpb_reference + policy.min_gap_bpb else 0.0
    return min(max((found.bpb_raw - least) / gap, 0.0), policy.ceiling)


@lru_cache(maxsize=4096)
def chance_of(bad: int, checked: int, share: float) -> float:
    """P[X >= bad] of X ~ Binomial(checked, share)."""
    return 1 - sum(comb(checked, i) * share**i * (1 - share) ** (checked - i) for i in range(bad)) if bad else 1.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
