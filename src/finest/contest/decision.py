"""Who has beaten the incumbent of a track: pure functions of a round's result and of what stood before it.

All comparisons are paired: the same held-out documents, the same folds of the pool. An entry beats the incumbent if its
gain is larger than the margin and `z` standard errors together, where z leaves a chance of ALPHA that any of the
round's entries does so although none is better. The earlier commitment wins: a later entry must beat the earlier one
as surely as it must beat the incumbent. So a copy is worth nothing, however small its changes.

The error has two parts: the spread between the folds, and the spread between the held-out documents. Three folds alone
can make the first look small by chance. It is therefore taken to be at least as large as it was in earlier rounds for
recipes that have as many pages in common: what two recipes share cannot set them apart by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finest.contest.result import PARTS, Measured, Result

if TYPE_CHECKING:
    from finest.contest.standing import Standing

ALPHA = 0.001
"""Chance per round and track of dethroning an incumbent although no entry is better, before the margin is counted."""
MARGIN_BPB, LEAST_MARGIN_BPB = 0.006, 0.002
"""The margin of a new incumbent and the least margin, in bits per byte: between an eighth and a half of what a tenth of
boilerplate costs (0.013 bpb, docs/concepts/scoring.md)."""
HALF_LIFE_BLOCKS = 4 * 7 * 7200
"""Blocks in which the rest of the margin halves: four weeks, so that a small improvement is worth waiting for no more
than a few rounds, and an incumbent is safe from noise right after it has won."""
MEMORY = 0.5
"""Weight of earlier rounds in the variance between folds: about two rounds count."""
NEAR_COPY = 0.95
"""An entry that shares at least this part of its tokens, in equal texts, with the incumbent or an earlier entry takes
no part: what the rest could gain is below what any round can measure."""
FIRST_VARIANCE = 9e-4
"""Variance between folds that is assumed before the first round, for recipes without a common page: a spread of 0.03
bpb. Measured were 0.036 with 117,000 training tokens, 0.009 with 336,000, and 0.011 with 60,000 in tier 2
(bench/results/contest_noise.json). Later rounds assume what they have measured."""
LEAST_UNSHARED = 0.1
"""The least part of that variance that is assumed, for recipes that keep the same pages with other texts: a spread of
0.009 bpb at first; measured were 0.004 to 0.008 for text with and without menus."""
SPREAD_FACTOR = 4.0
"""The most by which one round raises the assumed variance, so that wild entries cannot shield an incumbent for long."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better one entry is than another, in bits per byte of held-out text."""

    gain: float
    error: float
    """Standard error of the gain."""
    fold_variance: float
    """Variance of the gain between the folds, as measured."""

    def least(self, z: float) -> float:
        """Return the gain that is certain at `z` standard errors."""
        return self.gain - z * self.error


@dataclass(frozen=True, slots=True)
class TrackDecision:
    """The outcome of a round in one track."""

    track: int
    winner: Measured | None
    """The entry that has beaten the incumbent; None if none has."""
    won_by: Comparison | None
    certain: float = 0.0
    """The winner's certain gain in bits per byte, which is what is paid; 0 without a winner."""
    margin: float = 0.0
    z: float = 0.0
    notes: Mapping[int, str] = field(default_factory=dict)
    """The outcome of each entry, by its place in the result."""
    copies: frozenset[int] = frozenset()
    """Entries that are copies, by their places in the result."""
    variance: float = FIRST_VARIANCE
    """The variance between folds that the next round assumes at least."""


def decide(result: Result, standing: Standing) -> tuple[TrackDecision, ...]:
    """Decide every track of a round."""
    return tuple(_decide_track(result, track, standing) for track in sorted(result.budgets))


def margin_at(age_blocks: int) -> float:
    """Return the margin in bits per byte over an incumbent of that age."""
    decayed = 0.5 ** (max(0, age_blocks) / HALF_LIFE_BLOCKS)
    return LEAST_MARGIN_BPB + (MARGIN_BPB - LEAST_MARGIN_BPB) * decayed


def z_of(comparisons: int) -> float:
    """Return the standard errors that a gain must exceed in each of so many comparisons (Bonferroni)."""
    return NormalDist().inv_cdf(1 - ALPHA / max(1, comparisons))


def compare(one: Measured, other: Measured, sizes: NDArray[np.float64], least_variance: float) -> Comparison:
    """Compare two entries; the gain is positive if `one` is better. `sizes` are the documents' bytes."""
    differences = (np.array(other.bits, np.float64) - np.array(one.bits, np.float64)) / PARTS
    total, folds = sizes.sum(), differences.shape[0]
    by_fold = differences.sum(axis=1) / total
    variance = float(by_fold.var(ddof=1))
    by_document = differences.mean(axis=0)
    rest = by_document - by_document.sum() / total * sizes
    count = len(sizes)
    documents = float((rest**2).sum()) * count / (count - 1) / float(total) ** 2
    error = math.sqrt(max(variance, least_variance) / folds + documents)
    return Comparison(float(by_fold.mean()), error, variance)


def next_variance(before: float, variances: Sequence[float], folds: int) -> float:
    """Return the variance to assume next: half of `before`, half of the median of those that were measured.

    The median, so that a few wild entries count for nothing; it is divided by the median of a chi-squared variable over
    its mean (Wilson & Hilferty 1931).
    """
    if not variances:
        return before
    freedom = folds - 1
    measured = median(variances) / (1 - 2 / (9 * freedom)) ** 3
    return MEMORY * before + (1 - MEMORY) * min(measured, SPREAD_FACTOR * before)


def _decide_track(result: Result, track: int, standing: Standing) -> TrackDecision:
    mine = [(place, one) for place, one in enumerate(result.entries) if one.entry.track == track]
    held = next(((place, one) for place, one in mine if one.entry.incumbent), None)
    notes = {place: one.refused for place, one in mine if one.refused}
    before = standing.variance.get(track, FIRST_VARIANCE)
    if held is None or held[1].refused or not held[1].bits:
        return TrackDecision(track, None, None, notes=notes, variance=before)
    copies: set[int] = set()
    challengers = _eligible(result, mine, held, standing, notes, copies)
    incumbent = standing.incumbents.get(track)
    margin = margin_at(result.block - incumbent.since_block) if incumbent else LEAST_MARGIN_BPB
    z = z_of(len(challengers))
    contest = _Contest(result, before, z, margin)
    winner, won_by = contest.run(challengers, held, notes)
    certain = max(0.0, won_by.least(z)) if won_by else 0.0
    variance = next_variance(before, contest.variances, len(held[1].bits))
    return TrackDecision(track, winner, won_by, certain, margin, z, notes, frozenset(copies), variance)


def _eligible(
    result: Result, mine: Sequence[tuple[int, Measured]], held: tuple[int, Measured], standing: Standing,
    notes: dict[int, str], copies: set[int],
) -> list[tuple[int, Measured]]:  # fmt: skip
    """Return the challengers by age of their commitments, without copies of what was there before."""
    similar = {(both.earlier, both.later): both.texts for both in result.similar}
    ordered = sorted(
        ((place, one) for place, one in mine if place != held[0] and not one.refused),
        key=lambda pair: (pair[1].entry.block, pair[1].digest, pair[1].entry.hotkey),
    )
    newest = {one.entry.hotkey: place for place, one in ordered if one.entry.hotkey}
    before, found = [held], []
    for place, one in ordered:
        owner = standing.known.get(one.recipe_hash)
        if owner is not None and owner != one.entry.hotkey:
            notes[place] = f"a copy: {owner[:8] or 'everybody'} had this recipe before"
            copies.add(place)
        elif (earlier := _alike(place, one, before, similar)) is not None:
            notes[place] = f"a copy of {earlier.entry.place}, which was committed before"
            copies.add(place)
        elif newest.get(one.entry.hotkey, place) != place:
            notes[place] = "its hotkey has committed another entry for this track since"
        else:
            found.append((place, one))
        before.append((place, one))
    return found


def _alike(
    place: int, one: Measured, before: Sequence[tuple[int, Measured]], similar: Mapping[tuple[int, int], int]
) -> Measured | None:
    """Return the first earlier entry with the same recipe, the same texts or nearly the same texts."""
    for other_place, other in before:
        both = similar.get((min(place, other_place), max(place, other_place)), 0)
        same = one.recipe_hash == other.recipe_hash or one.texts_sha256 == other.texts_sha256
        if same or both >= NEAR_COPY * PARTS:
            return other
    return None


class _Contest:
    """The comparisons of one track in one round; entries are pairs of a place in the result and what was measured."""

    def __init__(self, result: Result, least_variance: float, z: float, margin: float) -> None:
        self._sizes = np.array([document.size_bytes for document in result.documents], np.float64)
        self._pages = {(both.earlier, both.later): both.pages / PARTS for both in result.similar}
        self._least_variance, self._z, self._margin = least_variance, z, margin
        self.variances: list[float] = []
        """Measured variances between folds, as for recipes without a common page."""

    def run(
        self, challengers: Sequence[tuple[int, Measured]], incumbent: tuple[int, Measured], notes: dict[int, str]
    ) -> tuple[Measured | None, Comparison | None]:
        """Return the winner and its lead over the incumbent; the earliest of those that cannot be told apart."""
        best: tuple[tuple[int, Measured], Comparison] | None = None
        for place, one in challengers:
            lead = self._compare((place, one), incumbent)
            self.variances.append(lead.fold_variance / self._unshared(place, incumbent[0]))
            notes[place] = f"{lead.gain:+.4f} bpb, error {lead.error:.4f}: not beyond the margin and the error"
            if lead.least(self._z) <= self._margin:
                continue
            if best is not None and self._compare((place, one), best[0]).least(self._z) <= 0:
                before = best[0][1].entry.place
                notes[place] = f"better than the incumbent, and not surely better than {before}, which came before"
                continue
            if best is not None:
                notes[best[0][0]] = f"better than the incumbent, and surely worse than {one.entry.place}"
            best = (place, one), lead
            notes[place] = f"wins by {lead.gain:+.4f} bpb, error {lead.error:.4f}"
        return (best[0][1], best[1]) if best else (None, None)

    def _compare(self, one: tuple[int, Measured], other: tuple[int, Measured]) -> Comparison:
        least = self._least_variance * self._unshared(one[0], other[0])
        return compare(one[1], other[1], self._sizes, least)

    def _unshared(self, one: int, other: int) -> float:
        """Return the part of the chance in the choice of pages that sets two entries apart."""
        return max(LEAST_UNSHARED, 1 - self._pages.get((min(one, other), max(one, other)), 0.0))
