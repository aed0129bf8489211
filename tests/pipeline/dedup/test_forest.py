"""Joining edges together gives the roots of joining them one by one."""

from __future__ import annotations

import numpy as np
import pytest

from finest.pipeline.dedup import forest
from finest.pipeline.dedup.forest import Forest


@pytest.mark.parametrize("seed", range(3))
def test_edges_joined_together_give_the_roots_of_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small clusters and one large one, in several calls."""
    chance = np.random.default_rng(seed)
    edges = np.concatenate([chance.integers(0, 3000, (2500, 2)), chance.integers(0, 40, (300, 2))]).astype(np.int32)
    chance.shuffle(edges)
    found = []
    for alone in (10, 10_000):
        monkeypatch.setattr(forest, "MOST_ALONE", alone)
        made = Forest(3000)
        made.join(edges[:1000])
        made.join(edges[1000:])
        found.append(made.roots_of(np.arange(3000)).tolist())
    assert found[0] == found[1]
    assert len(set(found[0])) < 1500
