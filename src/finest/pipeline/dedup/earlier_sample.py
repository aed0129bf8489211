"""Compare a sample of what an index says with the rows of its dataset: do they share a bucket with the pages?

Under a recipe that compares no texts, an index alone decides which pages are dropped. A row need not share a bucket
with a page, if a page that was dropped for the row does; so a small share proves nothing, but a forged index has one,
too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finest.pipeline.dedup.against import Earlier
    from finest.recipe.toolbox import Toolbox

PLACES = 4
"""Places in the dataset from which rows are drawn: each costs a row group, about 6 MB."""
ROWS_A_PLACE = 16


def sample_agrees(earlier: Earlier, tools: Toolbox) -> tuple[int, int]:
    """Return how many of the rows drawn at random share a bucket with a page, and how many were drawn."""
    drawn, agreeing = _drawn(earlier), 0
    if not len(drawn):
        return 0, 0
    with earlier.earlier.again() as datasets:
        table = datasets.read_rows(drawn[:, 0].tolist(), ["text", "language"])
    for (_, page), row in zip(drawn.tolist(), table.to_pylist(), strict=True):
        signature = tools.signer.sign(row["text"], tools.tokenizer_for(row["language"]))
        number = int(np.searchsorted(earlier.starts, page, side="right")) - 1
        part = earlier.parts[number]
        at = int(np.searchsorted(part.rows(), page - earlier.starts[number]))
        agreeing += signature is not None and any(
            all(part.column(bucket, n)[at] == value for n, value in enumerate(hashes))
            for bucket, hashes in enumerate(signature)
        )
    return agreeing, len(drawn)


def _drawn(earlier: Earlier) -> NDArray[np.int64]:
    """Return pairs of a row and a page, each row once: neighbours at a few places."""
    matches = [found for found in earlier.matches() if found.shape[1]]
    rng = np.random.default_rng()
    sizes = np.array([found.shape[1] for found in matches], np.int64)
    if not len(sizes):
        return np.zeros((0, 2), np.int64)
    pairs = []
    for at in rng.integers(sizes.sum(), size=PLACES).tolist():
        number = int(np.searchsorted(np.cumsum(sizes), at, side="right"))
        start = at - int(sizes[:number].sum())
        pairs.append(np.array(matches[number][:, start : start + ROWS_A_PLACE]).T)
    together = np.concatenate(pairs)
    return together[np.unique(together[:, 0], return_index=True)[1]]
