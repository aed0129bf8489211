"""Measure how well each entry's text trains a small model: equal numbers of tokens, one model per fold, the same
held-out documents for all.

A fold is the pages of a part of the pool's hosts. Its model learns from the entry's pages of that fold alone. So the
spread between the folds shows how far chance in the choice of pages carries a recipe; several draws from the same
pages would not, and on real pages that chance is far larger than the spread between draws or between documents.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from finest.atomic_files import write_whole
from finest.contest.result import PARTS
from finest.contest.tracks import TRACKS
from finest.validator.quality.paired import Documents
from finest.validator.quality.pieces import pool_of

if TYPE_CHECKING:
    from pathlib import Path

    from finest.contest.pool import Pool, Progress
    from finest.validator.quality.tier import Tier


class Yield(NamedTuple):
    """The pages of the pool that a recipe keeps."""

    pages: int
    tokens: int
    by_fold: tuple[int, ...]
    texts_sha256: str
    texts: dict[str, int]
    """Tokens by a digest of the page and its text, to compare two recipes."""
    kept: dict[str, int]
    """Tokens by the page's source and offset."""


def yield_of(pool: Pool, key: str) -> Yield:
    """Count what a recipe keeps, without near-duplicates."""
    by_fold, texts, kept, whole = [0] * pool.plan.seeds, {}, {}, hashlib.sha256()
    for source, page in pool.unique(key):
        by_fold[pool.fold_of(page.host)] += page.tokens
        one = hashlib.sha256(f"{source}\n{page.offset}\n{page.text}".encode()).digest()
        texts[one[:16].hex()] = page.tokens
        kept[f"{source}\n{page.offset}"] = page.tokens
        whole.update(one)
    return Yield(len(texts), sum(by_fold), tuple(by_fold), whole.hexdigest(), texts, kept)


class Shared(NamedTuple):
    """The share of tokens that two recipes have in common, in thousandths."""

    texts: int
    """Pages that both keep, with equal texts."""
    pages: int
    """Pages that both keep."""


def shared(one: Yield, other: Yield) -> Shared:
    """Compare what two recipes keep."""
    return Shared(_shared(one.texts, other.texts), _shared(one.kept, other.kept))


def _shared(one: dict[str, int], other: dict[str, int]) -> int:
    both = sum(min(tokens, other[digest]) for digest, tokens in one.items() if digest in other)
    return PARTS * both // max(sum(one.values()) + sum(other.values()) - both, 1)


def budget_of(track: int, reference: Yield, most: int) -> int:
    """Return the training tokens of a fit: at most `most`, and no more than any entry of the track has in a fold."""
    return min(most, int(TRACKS[track].least * min(reference.by_fold)))


def bits_of(
    pool: Pool, key: str, track: int, budget: int, documents: Documents, tier: Tier, folder: Path, progress: Progress
) -> tuple[tuple[int, ...], ...]:
    """Return what each document costs after learning from a recipe's text, for each fold, in thousandths of a bit.

    A finished fit is kept in `folder`, so that a stopped round does not repeat it.
    """
    texts: defaultdict[int, list[str]] = defaultdict(list)
    paths = [folder / f"{key[:16]}-{budget}-{track}-{fold}.json" for fold in range(pool.plan.seeds)]
    if not all(path.exists() for path in paths):
        for _, page in pool.unique(key):
            texts[pool.fold_of(page.host)].append(page.text)
    rows = []
    for fold, path in enumerate(paths):
        if not path.exists():
            training = pool_of(texts[fold]).draw(budget, _seed_of(pool.plan.seed, fold))
            told = partial(_tell, progress, fold, len(paths))
            costs = documents.bits(tier, training, path.stem, told)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps([round(float(cost) * PARTS) for cost in costs]).encode())
        rows.append(tuple(json.loads(path.read_bytes())))
    return tuple(rows)


def _tell(progress: Progress, fold: int, folds: int, share: float) -> None:
    progress("Learning", (fold + share) / folds, f"fold {fold + 1} of {folds}")


def _seed_of(seed: str, fold: int) -> int:
    return int.from_bytes(hashlib.sha256(f"finest-contest/1 {seed} {fold}".encode()).digest()[:8], "little")
