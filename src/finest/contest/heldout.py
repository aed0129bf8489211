"""Held-out text of a round: fresh pages that no page of the pool is near, and the documents that ship.

The pages come from other WARCs, drawn by the round's seed, from hosts that are not in the pool, and are refined by
`fineweb`. Of these the half is predicted that the shipped model `edu` prefers. Text as it comes would reward whoever
keeps a random sample of the web: the best tenth by `edu` predicts such text worse than a random draw, and labelled
good text better (docs/concepts/recipe-competition.md has the figures). A document with more than a tenth of its
13-word runs anywhere in the pool's visible text is left out, so that mirrors of it are worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from finest.recipe.quality_model import QualityModel
from finest.recipe.quality_model.place import shipped_path
from finest.recipe.recipe import load_recipe
from finest.validator.quality.heldout import HELDOUT_BYTES, anchors, draw_heldout
from finest.validator.quality.leak import overlap

if TYPE_CHECKING:
    from pathlib import Path

    from finest.contest.pool import Pool, Progress
    from finest.warc.source import Source

TARGET = "edu"
"""The shipped model that chooses the held-out half."""
MIN_DOCUMENTS = 20
"""Fewer documents give no error to decide by."""


class HeldOut(NamedTuple):
    """The documents of a round."""

    texts: list[str]
    near: int
    """Documents that were left out because the pool has their text."""


def held_out(pool: Pool, sources: Sequence[Source], cache: Path, seed: str, progress: Progress) -> HeldOut:
    """Draw the held-out documents; without `sources` only those that ship. Raises SourceError."""
    drawn = draw_heldout(
        sources, pool.hosts(), load_recipe("fineweb"), cache, f"contest {seed}", wanted_bytes=2 * HELDOUT_BYTES,
        progress=lambda share, words: progress("Drawing held-out text", share, words),
    )  # fmt: skip
    texts = [*preferred(drawn), *anchors()]
    progress("Comparing held-out text with the pool", 0.0, f"{len(texts):,} documents")
    return without_near(texts, pool)


def preferred(texts: Sequence[str]) -> list[str]:
    """Return the half of the texts that the shipped model prefers, in their order."""
    if not texts:
        return []
    model = QualityModel.load(shipped_path(TARGET))
    scores = [model.score(text).raw for text in texts]
    least = sorted(scores)[len(scores) // 2]
    return [text for text, score in zip(texts, scores, strict=True) if score >= least]


def without_near(texts: Sequence[str], pool: Pool) -> HeldOut:
    """Leave out the documents that the pool holds, wholly or in large part."""
    known = overlap(texts, (), pool.visible()).known
    return HeldOut([text for text, near in zip(texts, known, strict=True) if not near], int(known.sum()))
