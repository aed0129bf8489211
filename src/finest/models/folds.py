"""Divide documents into folds for evaluation: never the documents of one group, so no page of a site helps another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finest.errors import UsageError

FOLDS = 5


def folds_of(groups: Sequence[str], strata: Sequence[str]) -> NDArray[np.int8]:
    """Return the fold (0 to 4) of each document. `strata` are labels, which the folds hold in similar shares.

    The largest groups are placed first, each in the fold with the fewest documents of the group's own labels. Raises
    UsageError if a label occurs in fewer than five groups: a fold would then have no text of it to evaluate.
    """
    _require_groups(groups, strata)
    members: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for group, stratum in zip(groups, strata, strict=True):
        members[group][stratum] += 1
    filled: list[Counter[str]] = [Counter() for _ in range(FOLDS)]
    placed: dict[str, int] = {}
    for group, counts in sorted(members.items(), key=lambda item: (-item[1].total(), item[0])):
        fold = min(range(FOLDS), key=lambda at: (sum(filled[at][stratum] for stratum in counts), at))
        filled[fold].update(counts)
        placed[group] = fold
    return np.array([placed[group] for group in groups], dtype=np.int8)


def _require_groups(groups: Sequence[str], strata: Sequence[str]) -> None:
    by_stratum: defaultdict[str, set[str]] = defaultdict(set)
    for group, stratum in zip(groups, strata, strict=True):
        by_stratum[stratum].add(group)
    fewest = min(by_stratum, key=lambda stratum: (len(by_stratum[stratum]), stratum))
    found = len(by_stratum[fewest])
    if found < FOLDS:
        hosts = f"{found} host" + "s" * (found != 1)
        raise UsageError(
            f"the texts labelled {fewest} come from {hosts} or groups, and an evaluation in {FOLDS} folds needs at "
            f"least {FOLDS}; add texts from other sites, or a column `group` (such as the book or the author)"
        )
